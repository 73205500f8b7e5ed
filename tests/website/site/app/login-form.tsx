'use client';

import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';

const UNREACHABLE = 'We cannot reach the site. Please try again in a minute.';

export function LoginForm({ ended }: { readonly ended: boolean }): ReactNode {
  const [message, setMessage] = useState(ended ? 'Your access has ended. Get a new code with !getcode.' : '');
  const [busy, setBusy] = useState(true);
  const attempt = useRef<Attempt | null>(null);

  // Until this script runs, the button is disabled: the browser would send the form without it.
  useEffect(() => setBusy(false), []);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = JSON.stringify({
      username: form.get('username'),
      code: form.get('code'),
      rememberMe: form.get('rememberMe') === 'on',
    });
    setBusy(true);
    setMessage('');
    // A form that is sent again after an outage keeps its key, so that it counts one use.
    if (attempt.current?.body !== body) attempt.current = { body, key: crypto.randomUUID() };
    const answer = await send(attempt.current);
    if (answer.ok) return location.assign('/');
    if (answer.definite) attempt.current = null;
    setMessage(answer.message);
    setBusy(false);
  }

  // POST: a form that is sent by GET puts the code into the address.
  return (
    <form action="/api/login" method="post" onSubmit={submit}>
      <h1>Chat Room</h1>
      <p>
        Type <code>!getcode</code> and your username on our Discord server. The bot sends you a code.
      </p>
      <label>
        Username
        <input name="username" autoComplete="username" maxLength={256} required autoFocus />
      </label>
      <label>
        Access code
        <input
          className="code"
          name="code"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          maxLength={256}
          required
        />
      </label>
      <label className="check">
        <input type="checkbox" name="rememberMe" />
        Remember me on this device
      </label>
      <p role="alert">{message}</p>
      <button disabled={busy}>Enter</button>
    </form>
  );
}

interface Attempt {
  readonly body: string;
  readonly key: string;
}

type Sent =
  | { readonly ok: true }
  | { readonly ok: false; readonly definite: boolean; readonly message: string };

async function send({ body, key }: Attempt): Promise<Sent> {
  try {
    const response = await fetch('/api/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key },
      body,
    });
    if (response.ok) return { ok: true };
    const { error } = await response.json();
    return { ok: false, definite: response.status < 500, message: String(error) };
  } catch {
    return { ok: false, definite: false, message: UNREACHABLE };
  }
}
