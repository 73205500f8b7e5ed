import type { Metadata } from 'next';
import type { ReactNode } from 'react';

import './style.css';

/** Each response has a nonce of its own (proxy.ts), so no page is rendered at build time. */
export const dynamic = 'force-dynamic';

export const metadata: Metadata = { title: 'Chat Room' };

export default function Layout({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <html lang="en">
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}
