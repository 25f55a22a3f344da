import { medianOf } from '../../../base/median.js';

/** Bytes that came by a time. */
export interface Arrival {
  readonly atMs: number;
  /** All that had come by then. */
  readonly totalBytes: number;
}

/** Chunks this close are parts of one: a reader gets what is written at once in pieces, milliseconds. */
const SAME_MS = 5;

/**
 * Bytes per second of a sender that goes on steadily: the median over half the time each, since a chunk that is held
 * up somewhere (a USB adapter, a device server, a busy gateway), were it the first or the last one, would pass for
 * another rate. 0 where nothing or all came at once.
 */
export function arrivalRate(arrivals: readonly Arrival[]): number {
  const bursts: Arrival[] = [];
  for (const { atMs, totalBytes } of arrivals) {
    const last = bursts.at(-1);
    if (last !== undefined && atMs - last.atMs < SAME_MS) bursts[bursts.length - 1] = { ...last, totalBytes };
    else bursts.push({ atMs, totalBytes });
  }
  const span = Math.ceil(bursts.length / 2);
  const rates = bursts.flatMap((to, i) => {
    const from = bursts[i - span];
    return from === undefined ? [] : [((to.totalBytes - from.totalBytes) * 1000) / (to.atMs - from.atMs)];
  });
  return rates.length === 0 ? 0 : medianOf(rates);
}
