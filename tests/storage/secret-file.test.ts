import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { makeSecretFile, readSecretFile } from '../../src/storage/secret-file.js';
import { temporaryFolder } from '../support/folder.js';

describe('makeSecretFile', () => {
  it('gives 256 bits as base64url, others each time, in a file that only its owner may read', () => {
    const folder = temporaryFolder();
    const paths = Array.from({ length: 20 }, (_, index) => join(folder, `${index}.key`));
    const secrets = paths.map((path) => makeSecretFile(path));
    expect(new Set(secrets).size).toBe(20);
    for (const [index, path] of paths.entries()) {
      expect(secrets[index]).toMatch(/^[\w-]{43}$/);
      expect(readSecretFile(path)).toBe(secrets[index]);
      expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
    }
  });

  it('gives the secret that another process has made meanwhile', () => {
    const path = join(temporaryFolder(), 'secret.key');
    const secret = makeSecretFile(path);
    expect(makeSecretFile(path)).toBe(secret);
  });

  it('replaces no file, not even an empty one', () => {
    const path = join(temporaryFolder(), 'secret.key');
    writeFileSync(path, '');
    expect(() => makeSecretFile(path)).toThrow('is empty or cut off');
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});

describe('readSecretFile', () => {
  it('gives null when there is no file', () => {
    expect(readSecretFile(join(temporaryFolder(), 'secret.key'))).toBeNull();
  });

  it.each([
    ['32 characters', 'x'.repeat(32)],
    ['32 characters and line breaks around them', `\n${'x'.repeat(32)}\r\n`],
  ])('reads %s', (_what, content) => {
    const path = join(temporaryFolder(), 'secret.key');
    writeFileSync(path, content);
    expect(readSecretFile(path)).toBe('x'.repeat(32));
  });

  it.each([
    ['nothing', ''],
    ['31 characters', 'x'.repeat(31)],
    ['31 characters and a line break', `${'x'.repeat(31)}\n`],
  ])('says that the file is cut off when it holds %s', (_what, content) => {
    const path = join(temporaryFolder(), 'secret.key');
    writeFileSync(path, content);
    expect(() => readSecretFile(path)).toThrow(`${path} is empty or cut off.`);
  });

  it('fails, rather than find no secret, where the file cannot be read', () => {
    expect(() => readSecretFile(temporaryFolder())).toThrow('EISDIR');
  });
});
