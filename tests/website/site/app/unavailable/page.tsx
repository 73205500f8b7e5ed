import Link from 'next/link';
import type { ReactNode } from 'react';

export default function Unavailable(): ReactNode {
  return (
    <>
      <h1>One moment, please</h1>
      <p>We cannot check your access at the moment. You are still logged in. Please try again in a minute.</p>
      <Link className="button" href="/">
        Try again
      </Link>
    </>
  );
}
