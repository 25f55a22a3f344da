import type { Clock } from '../../base/clock.js';

/** Requests that may wait: every unit has one at most, so this is past any config. */
const CAPACITY = 1_024;
/** A request that has waited so long counts as one of the next higher priority: none starves. */
const PROMOTE_AFTER_MS = 2_000;

/** What poll groups may be; a command of a person goes before all of them. */
export const POLL_PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = 'command' | (typeof POLL_PRIORITIES)[number];

const RANK: Readonly<Record<Priority, number>> = { command: 0, high: 1, normal: 2, low: 3 };

interface Entry<T> {
  readonly job: T;
  readonly rank: number;
  readonly sinceMs: number;
}

/** Requests that wait for their link: by priority, then in order of arrival. */
export class RequestQueue<T> {
  readonly #clock: Clock;
  #entries: Entry<T>[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** False where the queue is full: the job was not taken. */
  push(job: T, priority: Priority): boolean {
    if (this.#entries.length >= CAPACITY) return false;
    this.#entries.push({ job, rank: RANK[priority], sinceMs: this.#clock.monotonicMs() });
    return true;
  }

  /** Takes out the first job, by priority, that may go now. */
  take(mayGo: (job: T) => boolean): T | undefined {
    const nowMs = this.#clock.monotonicMs();
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (const [index, { job, rank, sinceMs }] of this.#entries.entries()) {
      const raised = rank - Math.floor((nowMs - sinceMs) / PROMOTE_AFTER_MS);
      if (raised < bestRank && mayGo(job)) {
        best = index;
        bestRank = raised;
      }
    }
    return best < 0 ? undefined : this.#entries.splice(best, 1)[0]!.job;
  }

  /** Takes out all jobs that are meant, in order of arrival. */
  remove(isMeant: (job: T) => boolean): T[] {
    const removed = this.#entries.filter(({ job }) => isMeant(job));
    this.#entries = this.#entries.filter(({ job }) => !isMeant(job));
    return removed.map(({ job }) => job);
  }
}
