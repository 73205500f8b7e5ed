'use client';

import { type FormEvent, type ReactNode, useRef, useState, useSyncExternalStore } from 'react';

const UNREACHABLE = 'We cannot reach the site. Please try again in a minute.';
const INSECURE = 'Logging in needs https. Open this page at its address that begins with https://';

export function LoginForm({ ended }: { readonly ended: boolean }): ReactNode {
  const [message, setMessage] = useState(ended ? 'Your access has ended. Get a new code with !getcode.' : '');
  const [refused, setRefused] = useState(false);
  const [busy, setBusy] = useState(false);
  const attempt = useRef<Attempt | null>(null);
  // Over http, except on localhost, the browser has no crypto.randomUUID and rejects the cookies. On the server: `null`.
  const secure = useSyncExternalStore(
    () => () => undefined,
    () => isSecureContext,
    () => null,
  );

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const codeField = event.currentTarget.elements.namedItem('code');
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
    if (answer.ok) return location.replace('/');
    if (answer.definite) attempt.current = null;
    setMessage(answer.message);
    setRefused(answer.definite);
    setBusy(false);
    if (codeField instanceof HTMLInputElement) codeField.focus();
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
          aria-invalid={refused}
          aria-describedby="login-message"
          required
        />
      </label>
      <label className="check">
        <input type="checkbox" name="rememberMe" />
        Remember me on this device
      </label>
      <p id="login-message" role="alert">
        {secure === false ? INSECURE : message}
      </p>
      {/* Until this script runs, the button is disabled: the browser would send the form without it. */}
      <button disabled={busy || !secure}>Enter</button>
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
