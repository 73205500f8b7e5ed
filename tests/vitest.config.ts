import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['tests/**/*.test.ts'],
    globalSetup: ['tests/support/build.ts'],
    provide: { faults: 'short' },
    testTimeout: 20_000,
    maxWorkers: '100%',
  },
});
