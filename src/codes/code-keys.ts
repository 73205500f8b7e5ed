import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** Fewer characters than this are no secret: 32 hexadecimal digits are 128 bits. */
export const MIN_SECRET_LENGTH = 32;

/** Sizes in bytes of AES-256-GCM: key, nonce and tag as NIST SP 800-38D recommends them. */
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Everything that is done with the secret: codes are looked up by keyed hashes and kept encrypted, so
 * whoever has the database without the secret has no code.
 *
 * One key for each purpose comes from the secret by HKDF-SHA-256. Hashes and sealed texts are base64url.
 */
export class CodeKeys {
  readonly #textKey: Buffer;
  readonly #pairKey: Buffer;
  readonly #nameKey: Buffer;
  readonly #clientKey: Buffer;
  readonly #redemptionKey: Buffer;
  readonly #sealKey: Buffer;
  /** Tells one secret from another and gives nothing of it away; kept in the database. */
  readonly fingerprint: string;

  constructor(secret: string) {
    const derive = (purpose: string) =>
      Buffer.from(hkdfSync('sha256', secret, '', `chatroom-access-bot ${purpose}`, KEY_BYTES));
    this.#textKey = derive('code');
    this.#pairKey = derive('username and code');
    this.#nameKey = derive('username');
    this.#clientKey = derive('client');
    this.#redemptionKey = derive('redemption');
    this.#sealKey = derive('sealed code');
    this.fingerprint = derive('fingerprint').toString('base64url');
  }

  /** The hash by which `!revoke` finds a code, and which keeps two codes from being equal. */
  hashText(codeText: string): string {
    return hmac(this.#textKey, codeText);
  }

  /** The hash by which a login is looked up: no timing tells whether the username or the code exists. */
  hashPair(usernameKey: string, codeText: string): string {
    return hmac(this.#pairKey, `${usernameKey}\0${codeText}`);
  }

  /** The hash under which wrong codes for a username are counted, and which the audit holds. */
  hashName(usernameKey: string): string {
    return hmac(this.#nameKey, usernameKey);
  }

  /** The hash by which a visitor is known again at one username. `client` is an address, a device id or the like. */
  hashClient(usernameKey: string, client: string): string {
    return hmac(this.#clientKey, `${usernameKey}\0${client}`);
  }

  /** The hash by which a repeated redemption is known. `key` is what the website calls it by. */
  hashRedemption(key: string): string {
    return hmac(this.#redemptionKey, key);
  }

  /** Encrypts `text` so that only {@link open} with the same `id` gets it back. */
  seal(text: string, id: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, nonce).setAAD(Buffer.from(id));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** @throws {Error} when `sealed` was damaged, or made for another `id` or with another secret. */
  open(sealed: string, id: string): string {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error(`The sealed text of ${id} is damaged`);
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#sealKey, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(id)).setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
      return text + decipher.final('utf8');
    } catch (cause) {
      throw new Error(`The sealed text of ${id} is damaged`, { cause });
    }
  }
}

function hmac(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text, 'utf8').digest('base64url');
}
