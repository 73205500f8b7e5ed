import { type Access, type Answer, type Login, TIMEOUT_MS } from './access';

/** Checks over HTTP: for a site on another machine, or on a serverless host. */
export function httpAccess(url: string, token: string): Access {
  const base = url.replace(/\/+$/, '');

  async function ask(path: string, login: Login, headers: Record<string, string> = {}): Promise<Answer> {
    try {
      const response = await fetch(`${base}/v1/${path}`, {
        method: 'POST',
        headers: { ...headers, Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(login),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        cache: 'no-store',
        redirect: 'error',
      });
      if (response.status === 429) {
        return { kind: 'wait', seconds: Number(response.headers.get('Retry-After')) || 60 };
      }
      if (response.status === 200) return read(await response.json());
      // Only the status: what the visitor typed must not be in a log.
      console.error(`The access bot responded with status ${response.status}`);
    } catch (error) {
      console.error(
        `The access bot did not respond: ${error instanceof Error ? error.name : 'unknown error'}`,
      );
    }
    return { kind: 'unavailable' };
  }

  return {
    redeem: (login, idempotencyKey) => ask('redeem', login, { 'Idempotency-Key': idempotencyKey }),
    validate: (login) => ask('validate', login),
  };
}

interface Body {
  readonly valid?: unknown;
  readonly username?: unknown;
  readonly discordUserId?: unknown;
  readonly reason?: unknown;
}

/** A body that is not a verdict lets nobody in. */
function read({ valid, username, discordUserId, reason }: Body): Answer {
  if (valid === true && typeof username === 'string' && typeof discordUserId === 'string') {
    return { kind: 'in', holder: { discordUserId, username } };
  }
  if (valid !== false) return { kind: 'unavailable' };
  return { kind: reason === 'used_up' ? 'used-up' : 'out' };
}
