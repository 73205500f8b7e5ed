import { redirect } from 'next/navigation';
import type { ReactNode } from 'react';

import { LoginForm } from './login-form';
import { isDue, readSession } from '@/lib/session';

interface Props {
  readonly searchParams: Promise<Record<string, string | string[] | undefined>>;
}

/** Start every page and every route that needs a login with these lines. */
export default async function Page({ searchParams }: Props): Promise<ReactNode> {
  const session = await readSession();
  if (session === null) return <LoginForm ended={'ended' in (await searchParams)} />;
  if (isDue(session)) redirect('/api/session');

  return (
    <>
      <h1>You are in</h1>
      <p>
        Welcome, <strong>{session.username}</strong>. Your chat room goes here.
      </p>
      <p>
        Your account: Discord user <code>{session.discordUserId}</code>
      </p>
      <form action="/api/logout" method="post">
        <button className="quiet">Log out</button>
      </form>
    </>
  );
}
