import type { Metadata } from 'next';
import { connection } from 'next/server';
import { type ReactNode, Suspense } from 'react';

import './style.css';

export const metadata: Metadata = { title: 'Chat Room' };

/** Each response has a nonce of its own (proxy.ts), so nothing is rendered at build time, not even `<html>`. */
export default function Layout({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <Suspense>
      <Document>{children}</Document>
    </Suspense>
  );
}

async function Document({ children }: { readonly children: ReactNode }): Promise<ReactNode> {
  await connection();
  return (
    <html lang="en">
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}
