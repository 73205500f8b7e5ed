import type { Metadata } from 'next';
import { connection } from 'next/server';
import type { ReactNode } from 'react';

import './style.css';

export const metadata: Metadata = { title: 'Chat Room' };

/** With `cacheComponents`: responses wait for the request. */
export const instant = false;

export default async function Layout({ children }: { readonly children: ReactNode }): Promise<ReactNode> {
  // Each response has a nonce of its own (proxy.ts), so nothing is rendered at build time.
  await connection();
  return (
    <html lang="en">
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}
