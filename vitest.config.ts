import { defineConfig } from 'vitest/config';

// Tests import the compiled code (`#sm/...` is dist/...): they try what is shipped, worker threads included.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Most tests wait for servers, disks and clocks: two at a time, also where there are but two cores.
    maxWorkers: 2,
    // Only for what never ends: other work on the machine may hold up any step of a test for many seconds.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
