import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';

import { cookies } from 'next/headers';

import type { Holder } from './access';

/**
 * A login, encrypted in a cookie that scripts cannot read. It holds the code, so that the site can check it again
 * without a database of its own. Do not put the code into localStorage: every script on the page can read it.
 */
export interface Session extends Holder {
  readonly code: string;
  /** The cookie outlives the browser. */
  readonly rememberMe: boolean;
  /** Unix ms. */
  readonly endsAt: number;
  /** Unix ms. */
  readonly checkedAt: number;
}

/** `__Host-`: the browser accepts them from this host only, not from a subdomain or over http. */
const SESSION_COOKIE = '__Host-session';
const DEVICE_COOKIE = '__Host-device';
const DAY_MS = 86_400_000;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const MIN_SECRET_LENGTH = 32;
/** Of 32 random hexadecimal digits, fewer differ less than once in 10 million times. */
const MIN_DIFFERENT_CHARACTERS = 8;
const DEFAULT_RECHECK_MS = 300_000;
/** With less, a page would be due again before it is shown. */
const MIN_RECHECK_MS = 1_000;

const COOKIE = {
  httpOnly: true,
  sameSite: 'lax',
  secure: true,
  path: '/',
} as const;

/** Returns the visitor's session, or `null`. Call {@link isDue} as well. */
export async function readSession(): Promise<Session | null> {
  const encrypted = (await cookies()).get(SESSION_COOKIE)?.value;
  const session = encrypted === undefined ? null : decrypt(encrypted);
  return session !== null && Date.now() < session.endsAt ? session : null;
}

/** Whether the code has to be checked again. Until then, a revoked code keeps its session. */
export function isDue(session: Session): boolean {
  const setting = Number(process.env.ACCESS_RECHECK_MS ?? DEFAULT_RECHECK_MS);
  // A setting that is not a number is NaN.
  const limitMs = setting > MIN_RECHECK_MS ? setting : MIN_RECHECK_MS;
  const ageMs = Date.now() - session.checkedAt;
  // Negative: the clock was set back.
  return ageMs < 0 || ageMs > limitMs;
}

/**
 * Call it before a code is redeemed: a session needs the secret.
 *
 * @throws it is missing, too short or easy to guess.
 */
export function readSecret(): string {
  const secret = process.env.SESSION_SECRET ?? '';
  if (secret.length < MIN_SECRET_LENGTH) {
    throw new Error(
      `SESSION_SECRET needs at least ${MIN_SECRET_LENGTH} characters. Make one with: openssl rand -hex 32`,
    );
  }
  if (new Set(secret).size < MIN_DIFFERENT_CHARACTERS) {
    throw new Error(
      `SESSION_SECRET needs at least ${MIN_DIFFERENT_CHARACTERS} different characters. Make one with: openssl rand -hex 32`,
    );
  }
  return secret;
}

export async function startSession(login: Holder & Pick<Session, 'code' | 'rememberMe'>): Promise<void> {
  const now = Date.now();
  await write({ ...login, endsAt: now + (login.rememberMe ? 30 : 1) * DAY_MS, checkedAt: now });
}

/** For routes: a page cannot set cookies. */
export async function renewSession(session: Session): Promise<void> {
  await write({ ...session, checkedAt: Date.now() });
}

/** Does nothing without the cookie. A form on another site is sent without it, and must not log visitors out. */
export async function endSession(): Promise<void> {
  const jar = await cookies();
  // With the attributes: the browser rejects a `__Host-` cookie without them, even one that only deletes.
  if (jar.has(SESSION_COOKIE)) jar.delete({ name: SESSION_COOKIE, ...COOKIE });
}

/** Returns a random id that the browser keeps. It says nothing about the visitor. */
export async function deviceId(): Promise<string> {
  const jar = await cookies();
  const known = jar.get(DEVICE_COOKIE)?.value;
  const id = known !== undefined && /^[0-9a-f-]{36}$/.test(known) ? known : randomUUID();
  jar.set(DEVICE_COOKIE, id, { ...COOKIE, maxAge: 365 * 86_400 });
  return id;
}

async function write(session: Session): Promise<void> {
  const jar = await cookies();
  jar.set(SESSION_COOKIE, encrypt(session), {
    ...COOKIE,
    // Without `expires` the browser deletes the cookie when it closes.
    ...(session.rememberMe ? { expires: new Date(session.endsAt) } : {}),
  });
}

function encrypt(session: Session): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key(), iv, { authTagLength: TAG_BYTES });
  const text = Buffer.concat([cipher.update(JSON.stringify(session), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
}

/** @returns `null` for anything that {@link encrypt} did not return with this secret. */
function decrypt(encrypted: string): Session | null {
  const bytes = Buffer.from(encrypted, 'base64url');
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
