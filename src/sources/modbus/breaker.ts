import type { Random } from '../../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';

/** Requests in a row without an answer, after which a unit is taken for dead. */
const FAILURES_TO_OPEN = 3;
/** Pause after the first probe of a dead unit, as a multiple of what a probe costs the line; it doubles up to … */
const FIRST_PAUSE = 5;
/** … this one: then dead units together cost 2.5 % of the line's time, whatever their deadline. */
const LAST_PAUSE = 40;
const LONGEST_PAUSE_MS = 60_000;
/** Probes do with a short deadline, but each fourth: a unit that starts up may be slow. */
const FULL_PROBE_EVERY = 4;

export interface BreakerOptions {
  readonly random: Random;
  /** What one probe of every dead unit of the line costs it, ms. */
  readonly probeCostMs: () => number;
  /** Is the line there for this unit alone? Then nobody is held up by its probes. */
  readonly isAlone: () => boolean;
}

/**
 * Circuit breaker of one unit: a dead unit costs the line a deadline for each request, so after a few it is left
 * alone, and asked once after each pause (half-open) until it answers.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #pauses = 0;
  #openUntilMs: number | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#openUntilMs !== undefined;
  }

  /** Did the last request fail? Then a retry is not worth its time. */
  get isSuspect(): boolean {
    return this.#failures > 0;
  }

  /** Is the next probe one that waits as long as any other request? */
  get isFullProbe(): boolean {
    return this.#pauses % FULL_PROBE_EVERY === 0;
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
    // Open first: then this unit counts among the dead ones.
    this.#openUntilMs = nowMs;
    this.#openUntilMs = nowMs + this.#pauseMs();
    this.#pauses++;
  }

  /** The link is new: whatever was wrong may be mended. */
  reset(): void {
    this.succeed();
  }

  #pauseMs(): number {
    const { random, probeCostMs, isAlone } = this.#options;
    const costMs = probeCostMs();
    const schedule: RetrySchedule = {
      initialMs: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE * costMs),
      maxMs: Math.min(LONGEST_PAUSE_MS, (isAlone() ? FIRST_PAUSE : LAST_PAUSE) * costMs),
      factor: 2,
      jitter: 0.2,
      limit: Number.POSITIVE_INFINITY,
    };
    return retryDelayMs(schedule, this.#pauses, random)!;
  }
}
