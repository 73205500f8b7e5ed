import { redirect } from 'next/navigation';
import type { ReactNode } from 'react';

import { LoginForm } from './login-form';
import { isDue, readSession } from '@/lib/session';

interface Props {
  readonly searchParams: Promise<Record<string, string | string[] | undefined>>;
}

/** Every page and every route that is not for everybody starts with these lines. */
export default async function Page({ searchParams }: Props): Promise<ReactNode> {
  const session = await readSession();
  if (session === null) return <LoginForm ended={'ended' in (await searchParams)} />;
  if (isDue(session)) redirect('/api/session');

  return (
    <>
      <h1>You are in</h1>
      <p>
        Welcome, <strong>{session.username}</strong>. The chat room would be here.
      </p>
      <form action="/api/logout" method="post">
        <button className="quiet">Log out</button>
      </form>
    </>
  );
}
