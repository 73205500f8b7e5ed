import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';

import { cookies } from 'next/headers';
import { redirect } from 'next/navigation';
import { connection, type NextRequest } from 'next/server';

import { type Holder, openAccess } from './access';

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
/** With less, each request would check the code. */
const MIN_RECHECK_MS = 1_000;
/** A page is rendered a moment after proxy.ts found that no check was due. */
const RENDER_MS = 5_000;

const COOKIE = {
  httpOnly: true,
  sameSite: 'lax',
  secure: true,
  path: '/',
} as const;

/** Deletes the cookie. With the attributes: the browser rejects a `__Host-` cookie without them. */
const ENDED: SessionCookie = { name: SESSION_COOKIE, value: '', ...COOKIE, maxAge: 0 };

type SessionCookie = typeof COOKIE & {
  readonly name: string;
  readonly value: string;
  readonly maxAge?: number;
  readonly expires?: Date;
};

/** Call it first in every page that needs a login. Visitors without a session are redirected to the login form. */
export async function requireSession(): Promise<Session> {
  const session = await find();
  if (session === null) redirect('/login');
  // The code could not be checked: the page is closed until it can.
  if (isDue(session, RENDER_MS)) redirect('/unavailable');
  return session;
}

/** For routes: returns the visitor's session, or `null` if there is none or its code could not be checked. */
export async function readSession(): Promise<Session | null> {
  const session = await find();
  return session !== null && !isDue(session, RENDER_MS) ? session : null;
}

/**
 * For proxy.ts: checks the code of a session again when that is due. Returns the cookie to set, or `null`. This is how
 * revoking a code ends a session.
 */
export async function recheck(jar: NextRequest['cookies']): Promise<SessionCookie | null> {
  const session = decrypt(jar.get(SESSION_COOKIE)?.value);
  if (session === null || !isDue(session)) return null;

  const access = await openAccess();
  const { username, code, discordUserId } = session;
  const answer = await access.validate({ username, code, client: deviceOf(jar) });
  // The cookie remains, so nobody has to log in again.
  if (answer.kind === 'wait' || answer.kind === 'unavailable') return null;

  const isHeld = answer.kind === 'in' && answer.holder.discordUserId === discordUserId;
  // `used-up`: the login that started this session used the code.
  return isHeld || answer.kind === 'used-up' ? encrypt({ ...session, checkedAt: Date.now() }) : ENDED;
}

/** Whether the code has to be checked again. Until then, a revoked code keeps its session. */
function isDue(session: Session, graceMs = 0): boolean {
  const setting = Number(process.env.ACCESS_RECHECK_MS ?? DEFAULT_RECHECK_MS);
  // A setting that is not a number is NaN.
  const limitMs = setting > MIN_RECHECK_MS ? setting : MIN_RECHECK_MS;
  const ageMs = Date.now() - session.checkedAt;
  // Negative: the clock was set back.
  return ageMs < 0 || ageMs > limitMs + graceMs;
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
  const session = { ...login, endsAt: now + (login.rememberMe ? 30 : 1) * DAY_MS, checkedAt: now };
  (await cookies()).set(encrypt(session));
}

/** Does nothing without the cookie. A form on another site is sent without it, and must not log visitors out. */
export async function endSession(): Promise<void> {
  const jar = await cookies();
  if (jar.has(SESSION_COOKIE)) jar.set(ENDED);
}

/** Returns a random id that the browser keeps. It says nothing about the visitor. */
export async function deviceId(): Promise<string> {
  const jar = await cookies();
  const id = deviceOf(jar);
  jar.set(DEVICE_COOKIE, id, { ...COOKIE, maxAge: 365 * 86_400 });
  return id;
}

function deviceOf(jar: Pick<NextRequest['cookies'], 'get'>): string {
  const known = jar.get(DEVICE_COOKIE)?.value ?? '';
  return /^[0-9a-f-]{36}$/.test(known) ? known : randomUUID();
}

async function find(): Promise<Session | null> {
  // Next renders pages in advance too. It must not read the clock then.
  await connection();
  return decrypt((await cookies()).get(SESSION_COOKIE)?.value);
}

function encrypt(session: Session): SessionCookie {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key(), iv, { authTagLength: TAG_BYTES });
  const text = Buffer.concat([cipher.update(JSON.stringify(session), 'utf8'), cipher.final()]);
  return {
    name: SESSION_COOKIE,
    value: Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url'),
    ...COOKIE,
    // Without `expires` the browser deletes the cookie when it closes.
    ...(session.rememberMe ? { expires: new Date(session.endsAt) } : {}),
  };
}

/** @returns `null` after the end of the session, and for anything that {@link encrypt} did not return with this secret. */
function decrypt(encrypted = ''): Session | null {
  const bytes = Buffer.from(encrypted, 'base64url');
  const iv = bytes.subarray(0, IV_BYTES);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key(), iv, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    const session: Session = JSON.parse(text.toString('utf8'));
    return Date.now() < session.endsAt ? session : null;
  } catch {
    return null;
  }
}

function key(): Buffer {
  return Buffer.from(hkdfSync('sha256', readSecret(), '', 'session cookie', 32));
}
