import { endSession } from '@/lib/session';

export async function POST(request: Request): Promise<Response> {
  // A form on a subdomain is sent with the cookie.
  const site = request.headers.get('Sec-Fetch-Site') ?? 'same-origin';
  if (site === 'same-origin') await endSession();
  return new Response(null, { status: 303, headers: { Location: '/login' } });
}
