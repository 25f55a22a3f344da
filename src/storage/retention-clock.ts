import { z } from 'zod';

/**
 * Which time it is for what deletes by age. A clock that jumps years ahead would make all data too old at once, so a
 * jump that the monotonic clock does not explain is not believed until it has held for a while, or a person says so.
 * Then the believed time follows a day at a time. A clock that is set back is followed at once: it deletes nothing.
 * Nor does time go by without data: what was measured last is kept for as long as it was to be kept.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A lead of the wall clock up to this is believed at once: a time zone, a night without power. */
export const BELIEVED_AT_ONCE_MS = DAY_MS;
/** A larger one is believed once it has held for so long: where the system follows a time server, and where not. */
export const HOLD_SYNCHRONISED_MS = HOUR_MS;
export const HOLD_MS = 7 * DAY_MS;
/** Then the believed time catches up by a day at most, so often. */
export const CATCH_UP_STEP_MS = DAY_MS;
export const CATCH_UP_EVERY_MS = 10 * 60_000;
/** Data may be stamped a little ahead of the clock. */
const DATA_AHEAD_MS = DAY_MS;

/** What is kept over a restart. */
export const retentionClockSchema = z.strictObject({
  believedMs: z.number(),
  /** How long a lead has held, and the wall clock when that was written. */
  heldMs: z.number().min(0),
  wallMs: z.number(),
  confirmed: z.boolean(),
});
export type RetentionClockState = z.infer<typeof retentionClockSchema>;

export interface RetentionTimes {
  readonly wallMs: number;
  readonly monotonicMs: number;
  /** Does the system's clock follow a time source? False where nothing tells. */
  readonly synchronised: boolean;
  /** Time of the newest data, where there are any. */
  readonly newestDataMs: number | undefined;
}

export interface RetentionTime {
  /** What age is measured from. */
  readonly nowMs: number;
  /** How far the wall clock is ahead of what is believed; 0 where it is believed. */
  readonly doubtedMs: number;
  /** True while the believed time catches up with a clock that is believed. */
  readonly catchingUp: boolean;
}

export class RetentionClock {
  #believedMs: number | undefined;
  #heldMs: number;
  #confirmed: boolean;
  /** Of the last call. */
  #wallMs: number | undefined;
  #monotonicMs: number | undefined;
  #steppedMs = Number.NEGATIVE_INFINITY;

  /** @param state of an earlier run */
  constructor(state?: RetentionClockState) {
    this.#believedMs = state?.believedMs;
    this.#heldMs = state?.heldMs ?? 0;
    this.#confirmed = state?.confirmed ?? false;
    this.#wallMs = state?.wallMs;
  }

  get state(): RetentionClockState | undefined {
    if (this.#believedMs === undefined || this.#wallMs === undefined) return undefined;
    return {
      believedMs: this.#believedMs,
      heldMs: this.#heldMs,
      wallMs: this.#wallMs,
      confirmed: this.#confirmed,
    };
  }

  /** A person says that the clock is right. */
  confirm(): void {
    this.#confirmed = true;
  }

  /** To be called before each deletion, about once a minute. */
  now({ wallMs, monotonicMs, synchronised, newestDataMs }: RetentionTimes): RetentionTime {
    const passedMs = this.#monotonicMs === undefined ? 0 : Math.max(0, monotonicMs - this.#monotonicMs);
    // The first time ever: by the data, where a store of an earlier program has some.
    const before = this.#believedMs ?? Math.min(wallMs, newestDataMs ?? wallMs);
    const explainedMs = before + passedMs;
    const leadMs = wallMs - explainedMs;
    let believedMs = wallMs;
    let catchingUp = false;
    if (leadMs <= BELIEVED_AT_ONCE_MS) this.#forget();
    else {
      const isOfOnePiece =
        this.#wallMs !== undefined && Math.abs(wallMs - this.#wallMs - passedMs) <= BELIEVED_AT_ONCE_MS;
      // It jumped once more, or for the first time: what was held or confirmed was another time.
      if (!isOfOnePiece) this.#forget();
      else this.#heldMs += passedMs;
      const isBelieved =
        this.#confirmed || this.#heldMs >= HOLD_MS || (synchronised && this.#heldMs >= HOLD_SYNCHRONISED_MS);
      believedMs = explainedMs;
      if (isBelieved) {
        catchingUp = true;
        if (monotonicMs - this.#steppedMs >= CATCH_UP_EVERY_MS) {
          this.#steppedMs = monotonicMs;
          believedMs += CATCH_UP_STEP_MS;
        }
      }
    }
    this.#believedMs = believedMs;
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    const byData =
      newestDataMs === undefined ? believedMs : Math.min(believedMs, newestDataMs + DATA_AHEAD_MS);
    return { nowMs: byData, doubtedMs: leadMs > BELIEVED_AT_ONCE_MS ? wallMs - believedMs : 0, catchingUp };
  }

  #forget(): void {
    this.#heldMs = 0;
    this.#confirmed = false;
  }
}
