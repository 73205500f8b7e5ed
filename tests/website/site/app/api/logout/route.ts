import { endSession } from '@/lib/session';

export async function POST(): Promise<Response> {
  await endSession();
  return new Response(null, { status: 303, headers: { Location: '/' } });
}
