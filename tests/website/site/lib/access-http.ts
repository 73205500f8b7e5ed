import { type Access, type Answer, type Login, PATIENCE_MS } from './access';

/** Asks the bot over HTTP: for a site on another machine, or on a serverless host. */
export function httpAccess(url: string, token: string): Access {
  const base = url.replace(/\/+$/, '');

  async function ask(path: string, login: Login, headers: Record<string, string> = {}): Promise<Answer> {
    try {
      const response = await fetch(`${base}/v1/${path}`, {
        method: 'POST',
        headers: { ...headers, Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(login),
        signal: AbortSignal.timeout(PATIENCE_MS),
        cache: 'no-store',
        redirect: 'error',
      });
      if (response.status === 429) {
        return { kind: 'wait', seconds: Number(response.headers.get('Retry-After')) || 60 };
      }
      if (response.status === 200) return read(await response.json());
      // The status tells the operator enough; what the visitor typed belongs in no log.
      console.error(`The access bot answered ${response.status}`);
    } catch (error) {
      console.error(
        `The access bot did not answer: ${error instanceof Error ? error.name : 'unknown error'}`,
      );
    }
    return { kind: 'unavailable' };
  }

  return {
    redeem: (login, idempotencyKey) => ask('redeem', login, { 'Idempotency-Key': idempotencyKey }),
    validate: (login) => ask('validate', login),
  };
}

/** In is only who was called valid in so many words. */
function read(verdict: { valid?: unknown; username?: unknown; reason?: unknown }): Answer {
  if (verdict.valid === true && typeof verdict.username === 'string') {
    return { kind: 'in', username: verdict.username };
  }
  if (verdict.valid !== false) return { kind: 'unavailable' };
  return { kind: verdict.reason === 'used_up' ? 'used-up' : 'out' };
}
