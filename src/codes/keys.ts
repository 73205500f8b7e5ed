import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** In characters: 32 hexadecimal digits are 128 bits. */
export const MIN_SECRET_LENGTH = 32;

/** In bytes, for AES-256-GCM (NIST SP 800-38D). */
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Hashes and encrypts with the secret: the database alone reveals no code.
 *
 * HKDF-SHA-256 derives one key per purpose. Hashes and encrypted texts are base64url.
 */
export class Keys {
  readonly #textKey: Buffer;
  readonly #pairKey: Buffer;
  readonly #nameKey: Buffer;
  readonly #clientKey: Buffer;
  readonly #redemptionKey: Buffer;
  readonly #encryptionKey: Buffer;
  /** Identifies the secret without revealing it; stored in the database. */
  readonly fingerprint: string;

  constructor(secret: string) {
    const derive = (purpose: string) =>
      Buffer.from(hkdfSync('sha256', secret, '', `chatroom-access-bot ${purpose}`, KEY_BYTES));
    this.#textKey = derive('code');
    this.#pairKey = derive('username and code');
    this.#nameKey = derive('username');
    this.#clientKey = derive('client');
    this.#redemptionKey = derive('redemption');
    this.#encryptionKey = derive('encrypted code');
    this.fingerprint = derive('fingerprint').toString('base64url');
  }

  /** Finds a code by its text alone, for `!revoke` and for uniqueness. */
  hashText(codeText: string): string {
    return hmac(this.#textKey, codeText);
  }

  /** Finds a code by username and text: the lookup takes as long whether or not the username exists. */
  hashPair(usernameKey: string, codeText: string): string {
    return hmac(this.#pairKey, `${usernameKey}\0${codeText}`);
  }

  /** Counts failures per username, and identifies usernames in the audit. */
  hashName(usernameKey: string): string {
    return hmac(this.#nameKey, usernameKey);
  }

  /** Recognizes a client at one username. `client` is an address or a device id. */
  hashClient(usernameKey: string, client: string): string {
    return hmac(this.#clientKey, `${usernameKey}\0${client}`);
  }

  /** Counts failures of a client within a clock hour over all usernames. No username contains NUL. */
  hashClientHour(client: string, hour: number): string {
    return hmac(this.#clientKey, `\0${hour}\0${client}`);
  }

  /** Recognizes a repeated redemption by its idempotency key. */
  hashRedemption(key: string): string {
    return hmac(this.#redemptionKey, key);
  }

  /** Encrypts `text`; {@link decrypt} needs the same `id`. */
  encrypt(text: string, id: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#encryptionKey, nonce).setAAD(Buffer.from(id));
    const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, encrypted, cipher.getAuthTag()]).toString('base64url');
  }

  /** @throws {Error} when `encrypted` is damaged, or belongs to another `id` or secret. */
  decrypt(encrypted: string, id: string): string {
    const bytes = Buffer.from(encrypted, 'base64url');
    const nonce = bytes.subarray(0, NONCE_BYTES);
    try {
      const options = { authTagLength: TAG_BYTES };
      const decipher = createDecipheriv('aes-256-gcm', this.#encryptionKey, nonce, options);
      decipher.setAAD(Buffer.from(id)).setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
      return text + decipher.final('utf8');
    } catch (cause) {
      throw new Error(`The encrypted text of ${id} is damaged`, { cause });
    }
  }
}

function hmac(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text, 'utf8').digest('base64url');
}
