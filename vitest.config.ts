import { defineConfig } from 'vitest/config';

// Tests import the compiled code (`#sm/...` is dist/...): they try what is shipped, worker threads included.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
