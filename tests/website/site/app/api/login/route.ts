import { randomUUID } from 'node:crypto';

import { after } from 'next/server';

import { openAccess } from '@/lib/access';
import { postLoginNotice } from '@/lib/login-notice';
import { deviceId, readSecret, startSession } from '@/lib/session';

const MAX_BODY_BYTES = 1_024;
/** More than the longest username and code, because people paste spaces and invisible characters with them. */
const MAX_FIELD_LENGTH = 256;

export async function POST(request: Request): Promise<Response> {
  readSecret();
  const form = await readForm(request);
  if (form === null) return refuse(400, 'Username and code are required');

  const access = await openAccess();
  const { username, code, rememberMe } = form;
  const answer = await access.redeem({ username, code, client: await deviceId() }, idempotencyKey(request));
  switch (answer.kind) {
    case 'in':
      await startSession({ ...answer.holder, code, rememberMe });
      after(() => postLoginNotice(answer.holder.username));
      return Response.json(answer.holder);
    // One sentence for every reason: visitors who learn that a username exists keep guessing.
    case 'out':
    case 'used-up':
      return refuse(401, 'Invalid access code');
    case 'wait':
      return refuse(429, 'Too many attempts. Get a new code with !getcode, or try again later.', {
        'Retry-After': String(answer.seconds),
      });
    case 'unavailable':
      return refuse(503, 'We cannot check access codes at the moment. Please try again in a minute.');
  }
}

function refuse(status: number, error: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error }, { status, headers });
}

/** The browser sends a new key with each form, so that a form that is sent twice counts one use. */
function idempotencyKey(request: Request): string {
  const key = request.headers.get('Idempotency-Key') ?? '';
  return /^[0-9a-f-]{36}$/.test(key) ? key : randomUUID();
}

interface Form {
  readonly username: string;
  readonly code: string;
  readonly rememberMe: boolean;
}

/** @returns `null` for anything that this site's own form does not send. */
async function readForm(request: Request): Promise<Form | null> {
  // A form on another site cannot send JSON: the browser asks this site first.
  if (!request.headers.get('Content-Type')?.startsWith('application/json')) return null;
  try {
    const { username, code, rememberMe = false } = JSON.parse(await readText(request));
    return isFilled(username) && isFilled(code) && typeof rememberMe === 'boolean'
      ? { username, code, rememberMe }
      : null;
  } catch {
    return null;
  }
}

function isFilled(field: unknown): field is string {
  return typeof field === 'string' && field.trim() !== '' && field.length <= MAX_FIELD_LENGTH;
}

async function readText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = request.body?.getReader();
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    bytes += part.value.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('too long');
    chunks.push(part.value);
  }
  return Buffer.concat(chunks).toString('utf8');
}
