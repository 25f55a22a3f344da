import { vi } from 'vitest';

/**
 * Waits until a condition holds, which may throw until then. The deadline is only there for what never comes: other
 * work on the machine may hold a test up for many seconds.
 */
export const until = <T>(condition: () => T | Promise<T>, timeoutMs = 60_000): Promise<T> =>
  vi.waitFor(condition, { timeout: timeoutMs, interval: 10 });
