import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { parseCodeText } from '../codes/code-text.js';
import { EXIT_FAILURE } from '../exit-codes.js';
import type { AuditRow } from '../storage/audit.js';
import { openStorage, type Storage } from '../storage/open-storage.js';
import { formatJson, formatTable } from './audit-format.js';
import { parseOptions, type AuditOptions, type TypedOptions } from './audit-options.js';
import { ProgramError, readConfig } from './program-error.js';

/** Returns the rows of the audit that match the options, as text. */
export async function audit(typed: TypedOptions): Promise<string> {
  const options = parseOptions(typed, Date.now());
  const { database, codeSecret: secret } = readConfig();
  const storage = await openStorage({ database, secret, as: 'guest' });
  try {
    const rows = await readRows(options, storage);
    if (options.json) return formatJson(rows);
    return rows.length === 0 ? 'No matching entries.\n' : formatTable(rows);
  } finally {
    await storage.close();
  }
}

async function readRows(options: AuditOptions, storage: Storage): Promise<AuditRow[]> {
  const { since, username, memberId, code } = options;
  const { store, keys } = storage;
  return store.audit.read({
    since,
    nameHash: username === null ? null : keys.hashName(username.key),
    memberId,
    codeId: code ? await findCode(await readCode(), storage) : null,
  });
}

/** Not from an argument: every account on the machine can read those, and the shell remembers them. */
async function readCode(): Promise<string> {
  const { stdin: input, stderr } = process;
  if (input.isTTY) stderr.write('Code (it is not shown): ');
  // Without an output, a terminal shows nothing of what is typed.
  const lines = createInterface({ input, terminal: input.isTTY });
  const [line]: string[] = await Promise.race([once(lines, 'line'), once(lines, 'close')]);
  lines.close();
  if (input.isTTY) stderr.write('\n');
  return line ?? '';
}

async function findCode(typed: string, { store, keys }: Storage): Promise<string> {
  const text = parseCodeText(typed);
  const id = text === null ? null : await store.codes.findIdByText(keys.hashText(text));
  if (id === null) throw new ProgramError('The bot never issued this code.', EXIT_FAILURE);
  return id;
}
