import type { Clock } from './clock.js';

/** Resolves in a later turn of the event loop: what has come in meanwhile has its turn first. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How long one piece of long work may hold the event loop, milliseconds. */
export const TURN_MS = 1;

/**
 * Does long work in pieces of about a millisecond, each in a turn of its own.
 * @param steps yields where it may be interrupted, some ten thousandths of a second apart
 */
export async function inTurns<T>(clock: Clock, steps: Generator<void, T>): Promise<T> {
  for (let startMs = clock.monotonicMs(); ; ) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (clock.monotonicMs() - startMs < TURN_MS) continue;
    await nextTurn();
    startMs = clock.monotonicMs();
  }
}
