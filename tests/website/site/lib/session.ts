import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';

import { cookies } from 'next/headers';

/**
 * The session is the visitor's username and code, encrypted in a cookie that scripts cannot read: so the site needs no
 * database, and can ask the bot again whether the code still works. The code itself is in no localStorage, where any
 * script on the page could read it.
 */
export interface Session {
  readonly username: string;
  readonly code: string;
  /** "Remember me": a longer life of the cookie, and nothing else. */
  readonly rememberMe: boolean;
  /** Unix milliseconds, like the rest. */
  readonly endsAt: number;
  readonly checkedAt: number;
}

const SESSION_COOKIE = 'session';
const DEVICE_COOKIE = 'device';
const DAY_MS = 86_400_000;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const DEFAULT_RECHECK_MS = 300_000;
/** More often, and the page would send its visitor to ask again before it is shown. */
const MIN_RECHECK_MS = 1_000;

const COOKIE = {
  httpOnly: true,
  sameSite: 'lax',
  secure: process.env.NODE_ENV === 'production',
  path: '/',
} as const;

/** The visitor's session, or `null`. Whoever shows something secret also looks at {@link isDue}. */
export async function readSession(): Promise<Session | null> {
  const sealed = (await cookies()).get(SESSION_COOKIE)?.value;
  const session = sealed === undefined ? null : open(sealed);
  return session !== null && Date.now() < session.endsAt ? session : null;
}

/** Is it time to ask the bot again? In between, a code that was revoked still lets in. */
export function isDue(session: Session): boolean {
  const limitMs = Number(process.env.ACCESS_RECHECK_MS ?? DEFAULT_RECHECK_MS);
  // Put so that a setting that is no number asks often, and not never.
  return Date.now() - session.checkedAt > (limitMs > MIN_RECHECK_MS ? limitMs : MIN_RECHECK_MS);
}

/** @throws where it is missing: to be called before a code is spent on a session that cannot be kept. */
export function readSecret(): string {
  const secret = process.env.SESSION_SECRET ?? '';
  if (secret.length < 32)
    throw new Error('SESSION_SECRET needs at least 32 characters: openssl rand -hex 32');
  return secret;
}

export async function startSession(username: string, code: string, rememberMe: boolean): Promise<void> {
  const now = Date.now();
  await write({ username, code, rememberMe, endsAt: now + (rememberMe ? 30 : 1) * DAY_MS, checkedAt: now });
}

/** Only a route can: a page cannot set cookies. */
export async function goOnWithSession(session: Session): Promise<void> {
  await write({ ...session, checkedAt: Date.now() });
}

/** Of who brings it alone: what another site's form sends here comes without it, and is to log nobody out. */
export async function endSession(): Promise<void> {
  const jar = await cookies();
  if (jar.has(SESSION_COOKIE)) jar.delete(SESSION_COOKIE);
}

/** A random id that stays with the browser. It says nothing about the visitor. */
export async function deviceId(): Promise<string> {
  const jar = await cookies();
  const known = jar.get(DEVICE_COOKIE)?.value;
  const id = known !== undefined && /^[0-9a-f-]{36}$/.test(known) ? known : randomUUID();
  jar.set(DEVICE_COOKIE, id, { ...COOKIE, maxAge: 365 * 86_400 });
  return id;
}

async function write(session: Session): Promise<void> {
  const jar = await cookies();
  jar.set(SESSION_COOKIE, seal(session), {
    ...COOKIE,
    // Without an end the browser forgets the cookie when it closes.
    ...(session.rememberMe ? { expires: new Date(session.endsAt) } : {}),
  });
}

function seal(session: Session): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key(), iv, { authTagLength: TAG_BYTES });
  const text = Buffer.concat([cipher.update(JSON.stringify(session), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
}

/** @returns `null` for anything that {@link seal} did not make with this secret. */
function open(sealed: string): Session | null {
  const bytes = Buffer.from(sealed, 'base64url');
  const iv = bytes.subarray(0, IV_BYTES);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key(), iv, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(text.toString('utf8'));
  } catch {
    return null;
  }
}

function key(): Buffer {
  return Buffer.from(hkdfSync('sha256', readSecret(), '', 'session cookie', 32));
}
