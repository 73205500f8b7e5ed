import type { Metadata } from 'next';
import type { ReactNode } from 'react';

import './style.css';

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
