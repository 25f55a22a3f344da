import type { Clock } from './clock.js';
import { SmEdgeError } from './errors.js';

/** Settles as `promise` does, or rejects with a retryable `DEADLINE` error after `timeoutMs`. */
export function withDeadline<T>(
  clock: Clock,
  name: string,
  timeoutMs: number,
  promise: Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(name, timeoutMs, () =>
      reject(new SmEdgeError('DEADLINE', `${name} took longer than ${timeoutMs} ms`, { retryable: true })),
    );
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
