import { redirect } from 'next/navigation';

import { openAccess } from '@/lib/access';
import { deviceId, endSession, readSession, renewSession } from '@/lib/session';

/** Checks the code of this session again: this is how revoking a code ends a session. */
export async function GET(): Promise<never> {
  const session = await readSession();
  if (session === null) redirect('/');

  const access = await openAccess();
  const { username, code, discordUserId } = session;
  const answer = await access.validate({ username, code, client: await deviceId() });
  // The page is closed until the code can be checked. The cookie remains, so nobody has to log in again.
  if (answer.kind === 'wait' || answer.kind === 'unavailable') redirect('/unavailable');

  const isHeld = answer.kind === 'in' && answer.holder.discordUserId === discordUserId;
  // `used-up`: the login that started this session used the code.
  if (isHeld || answer.kind === 'used-up') {
    await renewSession(session);
    redirect('/');
  }
  await endSession();
  redirect('/?ended');
}
