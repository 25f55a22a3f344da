import type { Clock } from '../../base/clock.js';
import { withDeadline } from '../../base/deadline.js';
import { toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';

/** Work that nobody waits for until the end. */
export class UnderWay {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #works = new Set<Promise<unknown>>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** What fails is logged. */
  follow(work: Promise<unknown>): void {
    const followed: Promise<void> = work
      .catch((thrown) =>
        this.#logger.error({ error: toErrorRecord(thrown) }, 'an event could not be published'),
      )
      .then(() => {
        this.#works.delete(followed);
      });
    this.#works.add(followed);
  }

  /** Resolves when all is done, also what began meanwhile, or after the deadline. */
  async settled(timeoutMs: number): Promise<void> {
    const all = async () => {
      while (this.#works.size > 0) await Promise.allSettled([...this.#works]);
    };
    await withDeadline(this.#clock, 'end of the analysis', timeoutMs, all()).catch(() => {
      this.#logger.warn({ underWay: this.#works.size }, 'windows under way are given up');
    });
  }
}
