import { type Clock, sleep } from './clock.js';
import { toSmEdgeError } from './errors.js';
import type { Random } from './random.js';

/** Exponential backoff with jitter and a limit. Every retry in the house has one of these. */
export interface RetrySchedule {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  /** Share of the delay that is random, 0 to 1: spreads a fleet that lost the same server. */
  readonly jitter: number;
  /** Attempts after the first; Infinity for a link that is always to be restored. */
  readonly limit: number;
}

/** Delay before retry number `attempt` (0 is the first retry), in milliseconds; undefined past the limit. */
export function retryDelayMs(schedule: RetrySchedule, attempt: number, random: Random): number | undefined {
  if (attempt >= schedule.limit) return undefined;
  const full = Math.min(schedule.maxMs, schedule.initialMs * schedule.factor ** Math.min(attempt, 60));
  return full * (1 - schedule.jitter) + full * schedule.jitter * random();
}

export interface RetryContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly schedule: RetrySchedule;
  /** Name of the timer between attempts. */
  readonly name: string;
  readonly signal?: AbortSignal;
}

/** Runs `attempt` until it succeeds, fails for good (`retryable` false) or the schedule is used up. */
export async function retry<T>(context: RetryContext, attempt: (count: number) => Promise<T>): Promise<T> {
  for (let count = 0; ; count++) {
    try {
      return await attempt(count);
    } catch (thrown) {
      const error = toSmEdgeError(thrown);
      const delayMs = retryDelayMs(context.schedule, count, context.random);
      if (!error.retryable || delayMs === undefined || context.signal?.aborted) throw error;
      await sleep(context.clock, context.name, delayMs, context.signal);
      if (context.signal?.aborted) throw error;
    }
  }
}
