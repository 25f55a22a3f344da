import type { Clock, Timer } from './clock.js';

/** Before this the program did not exist: a wall clock that shows less was never set (a gateway without a battery). */
export const OLDEST_PLAUSIBLE_MS = Date.UTC(2026, 0, 1);
/** A wall clock that is further ahead of the row than this went forward: the row follows at once. */
const FORWARD_STEP_MS = 1_000;
/** Set back by more than this the clock was wrong before: the row follows at once too, order or not. */
const LARGE_BACKWARD_MS = 10 * 60_000;
/** Set back by less, the row goes on at this share of its speed until the wall clock has caught up. */
const SLEW_SHARE = 0.5;
/** Time that is off the wall clock by more than this is said to be unsynchronised. */
const UNSYNCHRONISED_MS = 1_000;

/**
 * A clock for stamping what comes in: it follows the wall clock, but keeps the order when that is set back. A jump
 * forward is followed at once, a small jump back is worked off at half speed, a large one is followed at once (the
 * time before was nonsense). Timers and the monotonic clock are those of the clock below.
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  readonly #isSynchronised: () => boolean;
  #lastMs: number;
  #lastMonotonicMs: number;
  #lastWallMs: number;
  #jumps = 0;
  #onJump: (byMs: number) => void = () => undefined;

  /** @param isSynchronised what the system says of its own clock, where it says anything */
  constructor(clock: Clock, isSynchronised: () => boolean = () => true) {
    this.#clock = clock;
    this.#isSynchronised = isSynchronised;
    this.#lastWallMs = clock.nowMs();
    this.#lastMs = this.#lastWallMs;
    this.#lastMonotonicMs = clock.monotonicMs();
  }

  /** Steps of the wall clock that were seen. */
  get jumps(): number {
    return this.#jumps;
  }

  /** Called at each step of the wall clock with its size, milliseconds. */
  onJump(listener: (byMs: number) => void): void {
    this.#onJump = listener;
  }

  /** True while the time given out is not that of a clock that was set. */
  get unsynchronised(): boolean {
    const nowMs = this.nowMs();
    return (
      nowMs < OLDEST_PLAUSIBLE_MS ||
      Math.abs(nowMs - this.#lastWallMs) > UNSYNCHRONISED_MS ||
      !this.#isSynchronised()
    );
  }

  nowMs(): number {
    const wallMs = this.#clock.nowMs();
    const monotonicMs = this.#clock.monotonicMs();
    const passedMs = Math.max(0, monotonicMs - this.#lastMonotonicMs);
    const jumpMs = wallMs - this.#lastWallMs - passedMs;
    const aheadMs = this.#lastMs + passedMs - wallMs;
    this.#lastWallMs = wallMs;
    this.#lastMonotonicMs = monotonicMs;
    if (aheadMs <= 0 || aheadMs > LARGE_BACKWARD_MS) this.#lastMs = wallMs;
    else this.#lastMs = Math.max(wallMs, this.#lastMs + passedMs * SLEW_SHARE);
    if (Math.abs(jumpMs) > FORWARD_STEP_MS) {
      this.#jumps++;
      this.#onJump(jumpMs);
    }
    return this.#lastMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimer(name: string, delayMs: number, callback: () => void): Timer {
    return this.#clock.setTimer(name, delayMs, callback);
  }
}
