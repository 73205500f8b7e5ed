import type { ReactNode } from 'react';

import { requireSession } from '@/lib/session';

/** With `cacheComponents`: nothing is shown before the session was read. */
export const instant = false;

export default async function Page(): Promise<ReactNode> {
  const session = await requireSession();
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
