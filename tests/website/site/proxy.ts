import { randomBytes } from 'node:crypto';

import { type NextRequest, NextResponse } from 'next/server';

import { recheck } from '@/lib/session';

/** Everything but Next's own files, logging in and logging out. */
export const config = { matcher: '/((?!_next/|api/login|api/logout).*)' };

/**
 * Checks the session's code again when that is due, and sets a Content-Security-Policy: only this site's own files load,
 * and no other site can show it in a frame.
 */
export async function proxy(request: NextRequest): Promise<NextResponse> {
  const cookie = await recheck(request.cookies);
  const response =
    cookie?.value === '' ? NextResponse.redirect(new URL('/login?ended', request.url), 303) : next(request);
  if (cookie !== null) response.cookies.set(cookie);
  return response;
}

function next(request: NextRequest): NextResponse {
  const policy = contentSecurityPolicy(randomBytes(16).toString('base64'));
  const headers = new Headers(request.headers);
  // Next reads the nonce from the request and adds it to its inline scripts.
  headers.set('Content-Security-Policy', policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set('Content-Security-Policy', policy);
  return response;
}

function contentSecurityPolicy(nonce: string): string {
  const isDevelopment = process.env.NODE_ENV === 'development';
  return [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}'${isDevelopment ? " 'unsafe-eval'" : ''}`,
    `style-src 'self'${isDevelopment ? " 'unsafe-inline'" : ''}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}
