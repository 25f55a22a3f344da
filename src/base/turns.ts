import type { Clock } from './clock.js';

const waiting: (() => void)[] = [];
let scheduled = false;
/** What pieces of long work took in this turn so far, milliseconds. */
let spentMs = 0;

/** Resolves in a later turn of the event loop: what has come in meanwhile has its turn first. One a turn, in order. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    schedule();
  });
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    spentMs = 0;
    waiting.shift()?.();
    if (waiting.length > 0) schedule();
  });
}

/** How long all pieces of long work together may hold the event loop in one turn, milliseconds. */
export const TURN_MS = 1;

/**
 * Does long work in pieces, so that all such work together holds the event loop about a millisecond in each turn.
 * @param steps yields where it may be interrupted, some ten thousandths of a second apart
 */
export async function inTurns<T>(clock: Clock, steps: Generator<void, T>): Promise<T> {
  if (waiting.length > 0 || spentMs >= TURN_MS) await nextTurn();
  for (let startMs = clock.monotonicMs(); ; ) {
    const { done, value } = steps.next();
    const nowMs = clock.monotonicMs();
    spentMs += nowMs - startMs;
    startMs = nowMs;
    if (spentMs > 0) schedule();
    if (done === true) return value;
    if (spentMs < TURN_MS) continue;
    await nextTurn();
    startMs = clock.monotonicMs();
  }
}

/**
 * Resolves when what has arrived by now was read: sockets and ports are read once in each turn of the event loop, and
 * the present turn may have looked at them before.
 */
export async function everythingRead(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
