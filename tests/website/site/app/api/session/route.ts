import { redirect } from 'next/navigation';

import { openAccess } from '@/lib/access';
import { deviceId, endSession, goOnWithSession, readSession } from '@/lib/session';

/** Asks the bot whether the code of this session still works: this is how revoking a code ends a session. */
export async function GET(): Promise<never> {
  const session = await readSession();
  if (session === null) redirect('/');

  const access = await openAccess();
  const { username, code } = session;
  const answer = await access.validate({ username, code, client: await deviceId() });
  switch (answer.kind) {
    case 'in':
    // A one-time code is spent by the login that started this session.
    case 'used-up':
      await goOnWithSession(session);
      return redirect('/');
    case 'out':
      await endSession();
      return redirect('/?ended');
    // Nobody is in while nobody can tell, but the cookie stays: the session goes on afterwards.
    case 'wait':
    case 'unavailable':
      return redirect('/unavailable');
  }
}
