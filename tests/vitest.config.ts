import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['tests/**/*.test.ts'],
    globalSetup: ['tests/support/build.ts'],
    provide: { faults: 'short' },
    // Both only end what hangs. A machine that is busy with something else is ten times as slow.
    testTimeout: 180_000,
    hookTimeout: 60_000,
    // For what is sure to come.
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: '100%',
  },
});
