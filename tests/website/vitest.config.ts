import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['tests/website/*.e2e.ts', 'tests/website/*.test.ts'],
    globalSetup: ['tests/support/build.ts', 'tests/support/postgres.ts', 'tests/website/build-site.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    fileParallelism: false,
    reporters: ['verbose'],
  },
});
