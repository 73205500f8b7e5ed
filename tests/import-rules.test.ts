import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

interface Import {
  readonly file: string;
  /** A path below src, or the name of a package. */
  readonly target: string;
  readonly local: boolean;
}

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'));

const IMPORTS: readonly Import[] = FILES.flatMap((file) => {
  const text = readFileSync(join(SRC, file), 'utf8');
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => ({
    file,
    target: specifier.startsWith('.')
      ? posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
      : specifier,
    local: specifier.startsWith('.'),
  }));
});

const folderOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] ?? '') : path);

/** What each folder may import of the others. Whoever wants an arrow that is not here thinks twice. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  codes: [],
  storage: ['codes'],
  bot: ['codes', 'log.ts'],
  commands: ['bot', 'codes'],
  discord: ['bot', 'codes', 'log.ts'],
  validator: ['codes', 'storage'],
  http: ['codes', 'log.ts'],
  backup: ['config.ts', 'exit-codes.ts', 'storage'],
  audit: ['bot', 'codes', 'config.ts', 'exit-codes.ts', 'storage'],
  demo: ['app.ts', 'config.ts', 'exit-codes.ts', 'log.ts', 'validator'],
  'exit-codes.ts': [],
  'config.ts': ['codes', 'storage'],
  'log.ts': ['config.ts'],
  'housekeeping.ts': ['backup', 'bot', 'codes', 'log.ts'],
  'app.ts': [
    'backup',
    'bot',
    'codes',
    'commands',
    'config.ts',
    'discord',
    'housekeeping.ts',
    'http',
    'log.ts',
    'storage',
  ],
  'index.ts': ['app.ts', 'config.ts', 'discord', 'exit-codes.ts', 'http', 'log.ts', 'storage'],
};

/** Each package has one owner. */
const OWNERS: Readonly<Record<string, string | readonly string[]>> = {
  'discord.js': 'discord',
  '@discordjs/ws': 'discord',
  'better-sqlite3': 'storage',
  unhomoglyph: 'codes',
  fastify: 'http',
  ws: 'demo',
  pino: 'log.ts',
  'pino-pretty': 'log.ts',
  // Whatever is started as a program reads its settings.
  dotenv: ['index.ts', 'audit', 'backup'],
};

it('finds the imports that it is to judge', () => {
  expect(IMPORTS.some(({ file, target }) => file === 'app.ts' && target === 'bot/router.ts')).toBe(true);
  expect(IMPORTS.length).toBeGreaterThan(80);
});

it.each(Object.keys(ALLOWED))('%s imports no more of the other folders than it may', (folder) => {
  const crossing = IMPORTS.filter(
    ({ file, target, local }) => local && folderOf(file) === folder && folderOf(target) !== folder,
  );
  const strangers = crossing.filter(({ target }) => !ALLOWED[folder]?.includes(folderOf(target)));
  expect(strangers).toEqual([]);
});

it('knows every folder', () => {
  expect([...new Set(FILES.map(folderOf))].toSorted()).toEqual(Object.keys(ALLOWED).toSorted());
});

it('gives each package one owner', () => {
  const packages = IMPORTS.filter(({ local, target }) => !local && !target.startsWith('node:'));
  const strangers = packages.filter(({ file, target }) => ![OWNERS[target]].flat().includes(folderOf(file)));
  expect(strangers).toEqual([]);
});

it('lets the domain import nothing but node:crypto and what looks alike', () => {
  const outside = IMPORTS.filter(({ file, local }) => folderOf(file) === 'codes' && !local);
  expect(new Set(outside.map(({ target }) => target))).toEqual(new Set(['node:crypto', 'unhomoglyph']));
});

it('keeps discord.js and everything else that a website does not need out of the validator', () => {
  const reached = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { target, local } of IMPORTS.filter((one) => one.file === file)) {
      if (local) visit(target);
      else if (!target.startsWith('node:')) packages.add(target);
    }
  };
  visit('validator/validator.ts');
  expect(reached.size).toBeGreaterThan(5);
  expect([...packages]).toEqual(['better-sqlite3']);
});

it('reads the environment in the entries alone', () => {
  const readers = FILES.filter((file) =>
    /\bprocess\.env\b|\benv \} = process\b|, env\b.*= process/.test(readFileSync(join(SRC, file), 'utf8')),
  );
  expect(readers.toSorted()).toEqual([
    'audit/audit.ts',
    'backup/backup.ts',
    'backup/restore.ts',
    'demo/demo.ts',
    'index.ts',
  ]);
});

it('leads every relative import to a file', () => {
  const known = new Set(FILES);
  const lost = IMPORTS.filter(({ local, target }) => local && !known.has(target));
  expect(lost.map(({ file, target }) => `${relative(SRC, join(dirname(SRC), file))} -> ${target}`)).toEqual(
    [],
  );
});
