import { redirect } from 'next/navigation';
import type { ReactNode } from 'react';

import { LoginForm } from './login-form';
import { readSession } from '@/lib/session';

export const instant = false;

interface Props {
  readonly searchParams: Promise<Record<string, string | string[] | undefined>>;
}

export default async function Login({ searchParams }: Props): Promise<ReactNode> {
  if ((await readSession()) !== null) redirect('/');
  return <LoginForm ended={'ended' in (await searchParams)} />;
}
