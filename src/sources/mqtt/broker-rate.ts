import { type Clock, sleep } from '../../base/clock.js';

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
  readonly #ended = new AbortController();
  #tokens: number;
  #lastMs: number;
  #waiting = 0;

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#tokens = options.perSecond;
    this.#lastMs = options.clock.monotonicMs();
  }

  get isPaused(): boolean {
    return this.#waiting > 0;
  }

  /** A message of the client came in; what it has to wait for, where it is over the rate. */
  take(): Promise<void> | undefined {
    const { clock, perSecond } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#tokens = Math.min(perSecond, this.#tokens + ((nowMs - this.#lastMs) * perSecond) / 1000) - 1;
    this.#lastMs = nowMs;
    return this.#tokens >= 0 ? undefined : this.#wait((-this.#tokens * 1000) / perSecond);
  }

  async #wait(delayMs: number): Promise<void> {
    const { clock, pause, resume } = this.#options;
    this.#waiting++;
    pause();
    await sleep(clock, 'mqtt rate', delayMs, this.#ended.signal);
    this.#waiting--;
    if (this.#waiting === 0) resume();
  }

  /** The client is gone: nobody waits any more. */
  stop(): void {
    this.#ended.abort();
  }
}
