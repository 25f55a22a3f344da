import type { Clock, Timer } from '../../base/clock.js';

export interface RateLimitOptions {
  readonly clock: Clock;
  /** Messages a second; a burst of one second's worth is let through. */
  readonly perSecond: number;
  pause(): void;
  resume(): void;
}

/**
 * Holds one client to its rate: a message that is over it waits its time, and meanwhile the client is not read from.
 * So at most what one read brought waits here, and the rest in the sender's own buffers.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  /** Messages that wait, in order, each with the time on the monotonic clock at which it may go on. */
  #waiting: { readonly dueMs: number; go(): void }[] = [];
  #timer: Timer | undefined;
  #tokens: number;
  #lastMs: number;

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#tokens = options.perSecond;
    this.#lastMs = options.clock.monotonicMs();
  }

  get isPaused(): boolean {
    return this.#waiting.length > 0;
  }

  /** A message of the client came in; what it has to wait for, where it is over the rate. */
  take(): Promise<void> | undefined {
    const { clock, perSecond, pause } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#tokens = Math.min(perSecond, this.#tokens + ((nowMs - this.#lastMs) * perSecond) / 1000) - 1;
    this.#lastMs = nowMs;
    if (this.#tokens >= 0) return undefined;
    const dueMs = nowMs - (this.#tokens * 1000) / perSecond;
    return new Promise((go) => {
      this.#waiting.push({ dueMs, go });
      if (this.#waiting.length > 1) return;
      pause();
      this.#sleep();
    });
  }

  /** The client is gone: nobody waits any more. */
  stop(): void {
    this.#timer?.cancel();
    for (const { go } of this.#waiting.splice(0)) go();
  }

  #sleep(): void {
    const { clock, resume } = this.#options;
    const delayMs = this.#waiting[0]!.dueMs - clock.monotonicMs();
    this.#timer = clock.setTimer('mqtt rate', delayMs, () => {
      const nowMs = clock.monotonicMs();
      const due = this.#waiting.findIndex(({ dueMs }) => dueMs > nowMs);
      for (const { go } of this.#waiting.splice(0, due === -1 ? this.#waiting.length : due)) go();
      if (this.#waiting.length > 0) this.#sleep();
      else resume();
    });
  }
}
