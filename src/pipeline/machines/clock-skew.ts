/** Skews below this are no skew but the time that a value takes to come, milliseconds. */
const TOLERATED_MS = 5_000;
/** The least delay of this time and the one before it counts: a clock that is set right is believed after that. */
const SLOT_MS = 600_000;
/** A clock is called late only once every value of this time was: what was held back comes in one go, milliseconds. */
const LATE_AFTER_MS = 60_000;
const MAX_POINTS = 10_000;

interface Least {
  slot: number;
  now: number;
  before: number;
  readonly firstMs: number;
  lastMs: number;
}

/**
 * How far the clock of a point's source is off: the least time from the stamp of a value to its arrival (the filter of
 * NTP, RFC 5905 clause 10). Values that were held back for hours come late, but the next fresh one tells the truth.
 */
export class ClockSkew {
  readonly #points = new Map<string, Least>();

  /** A value with this stamp came now; both in milliseconds since the Unix epoch. */
  heard(point: string, timeMs: number, nowMs: number): void {
    const delayMs = nowMs - timeMs;
    const slot = Math.floor(nowMs / SLOT_MS);
    const least = this.#points.get(point);
    if (least === undefined) {
      if (this.#points.size < MAX_POINTS)
        this.#points.set(point, {
          ...{ slot, now: delayMs, before: Number.POSITIVE_INFINITY },
          ...{ firstMs: nowMs, lastMs: nowMs },
        });
      return;
    }
    least.lastMs = nowMs;
    if (slot !== least.slot) {
      least.before = slot === least.slot + 1 ? least.now : Number.POSITIVE_INFINITY;
      least.now = delayMs;
      least.slot = slot;
    } else least.now = Math.min(least.now, delayMs);
  }

  /** To be added to the stamps of a point so that they are of the gateway's clock, milliseconds. */
  of(point: string): number {
    const least = this.#points.get(point);
    if (least === undefined) return 0;
    const skewMs = Math.min(least.now, least.before);
    if (Math.abs(skewMs) <= TOLERATED_MS) return 0;
    return skewMs > 0 && least.lastMs - least.firstMs < LATE_AFTER_MS ? 0 : skewMs;
  }
}
