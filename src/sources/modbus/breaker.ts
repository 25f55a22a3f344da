import type { Random } from '../../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';

/** Requests in a row without an answer, after which a unit is taken for dead. */
const FAILURES_TO_OPEN = 3;
const PAUSE: RetrySchedule = { initialMs: 5_000, maxMs: 60_000, factor: 2, jitter: 0.2, limit: Infinity };

/**
 * Circuit breaker of one unit: a dead unit costs the line a deadline for each request, so after a few it is left
 * alone, and asked once after each pause (half-open) until it answers.
 */
export class Breaker {
  readonly #random: Random;
  #failures = 0;
  #pauses = 0;
  #openUntilMs: number | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  get isOpen(): boolean {
    return this.#openUntilMs !== undefined;
  }

  /** Did the last request fail? Then a retry is not worth its time. */
  get isSuspect(): boolean {
    return this.#failures > 0;
  }

  /** May the unit be asked now? While open, once after each pause. */
  allows(nowMs: number): boolean {
    return this.#openUntilMs === undefined || nowMs >= this.#openUntilMs;
  }

  succeed(): void {
    this.#failures = 0;
    this.#pauses = 0;
    this.#openUntilMs = undefined;
  }

  fail(nowMs: number): void {
    this.#failures++;
    if (this.#failures < FAILURES_TO_OPEN && !this.isOpen) return;
    this.#openUntilMs = nowMs + retryDelayMs(PAUSE, this.#pauses++, this.#random)!;
  }

  /** The link is new: whatever was wrong may be mended. */
  reset(): void {
    this.succeed();
  }
}
