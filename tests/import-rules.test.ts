import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

/** Files and folders of `src`. Each imports only from the lines above its own; type imports count. */
const LAYERS: readonly (readonly string[])[] = [
  ['codes', 'exit-codes.ts', 'printable.ts'],
  ['storage'],
  ['services', 'env-file.ts'],
  ['config.ts'],
  ['log.ts'],
  ['bot', 'schedule.ts'],
  ['commands', 'discord', 'http', 'validator'],
  ['app.ts'],
  ['demo', 'index.ts'],
  ['cli'],
];

/** The only importers of each package. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'better-sqlite3': ['storage'],
  'discord.js': ['discord'],
  '@clack/prompts': ['cli'],
  '@fastify/bearer-auth': ['http'],
  '@fastify/swagger': ['http'],
  commander: ['cli'],
  dotenv: ['env-file.ts'],
  fastify: ['http'],
  pg: ['storage'],
  pino: ['log.ts'],
  'pino-pretty': ['log.ts'],
  ws: ['demo', 'discord'],
};

interface Import {
  readonly file: string;
  /** A path in `src`, or the name of a package. */
  readonly target: string;
  readonly isLocal: boolean;
}

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts'));

const IMPORTS = FILES.flatMap((file): Import[] => {
  const text = readFileSync(join(SRC, file), 'utf8');
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => {
    const isLocal = specifier.startsWith('.');
    const path = posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
    return { file, target: isLocal ? path : specifier, isLocal };
  });
});
const LOCAL = IMPORTS.filter(({ isLocal }) => isLocal);
const PACKAGES = IMPORTS.filter(({ isLocal, target }) => !isLocal && !target.startsWith('node:'));

const partOf = (path: string): string => path.split('/')[0] ?? path;
const layerOf = (path: string): number => LAYERS.findIndex((parts) => parts.includes(partOf(path)));
const arrow = ({ file, target }: Import): string => `${file} -> ${target}`;

it('finds the imports', () => {
  expect(IMPORTS.map(arrow)).toContain('app.ts -> bot/router.ts');
  expect(LOCAL.length).toBeGreaterThan(80);
  expect(LOCAL.filter(({ target }) => !FILES.includes(target)).map(arrow)).toEqual([]);
});

it('assigns each part of src to a layer', () => {
  expect([...new Set(FILES.map(partOf))].toSorted()).toEqual(LAYERS.flat().toSorted());
});

it('imports only from lower layers', () => {
  const crossing = LOCAL.filter(({ file, target }) => partOf(file) !== partOf(target));
  expect(crossing.filter(({ file, target }) => layerOf(file) <= layerOf(target)).map(arrow)).toEqual([]);
});

it('imports nothing of the demo but its program', () => {
  const users = LOCAL.filter(({ file, target }) => partOf(target) === 'demo' && partOf(file) !== 'demo');
  expect(users.map(arrow)).toEqual(['cli/command-line.ts -> demo/demo.ts']);
});

it('imports each package in one place', () => {
  const others = PACKAGES.filter(({ file, target }) => OWNERS[target]?.includes(partOf(file)) !== true);
  expect(others.map(arrow)).toEqual([]);
});

it('imports only node:crypto in codes', () => {
  const outside = IMPORTS.filter(({ file, isLocal }) => partOf(file) === 'codes' && !isLocal);
  expect(new Set(outside.map(({ target }) => target))).toEqual(new Set(['node:crypto']));
});

it('loads no package but the database drivers in the validator', () => {
  const reached = new Set(['validator/validator.ts']);
  for (const file of reached) {
    for (const one of LOCAL) if (one.file === file) reached.add(one.target);
  }
  const packages = PACKAGES.filter(({ file }) => reached.has(file)).map(({ target }) => target);
  expect([...new Set(packages)].toSorted()).toEqual(['better-sqlite3', 'pg']);
});

it('reads environment variables only in programs', () => {
  const readers = FILES.filter((file) =>
    /\bprocess\.env\b|\benv\b.*= process\b/.test(readFileSync(join(SRC, file), 'utf8')),
  );
  expect(readers.filter((file) => layerOf(file) < layerOf('index.ts'))).toEqual([]);
});
