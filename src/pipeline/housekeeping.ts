import { type ScheduledTask, schedule } from 'node-cron';
import type { Clock } from '../base/clock.js';
import { toErrorRecord } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { StorageConfig } from '../storage/config.js';
import type { Store } from '../storage/store.js';
import type { Assessor } from './assessor.js';

export interface HousekeepingDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly assessor: Assessor;
  readonly config: StorageConfig;
  /** The store is damaged or too full: one sentence. */
  readonly onTrouble: (reason: string) => void;
}

/** Retention and the baselines, every minute. */
const EVERY_MINUTE = '* * * * *';
/** The full check reads the whole file: at night. */
const NIGHTLY = '17 3 * * *';

export const BASELINE_PREFIX = 'baseline:';

/** What has to be done now and then, by the clock on the wall. */
export class Housekeeping {
  readonly #deps: HousekeepingDeps;
  readonly #bytes;
  readonly #shed;
  #tasks: ScheduledTask[] = [];

  constructor(deps: HousekeepingDeps) {
    this.#deps = deps;
    this.#bytes = deps.metrics.gauge('sm_edge_storage_bytes', 'Space that the database takes.');
    this.#shed = deps.metrics.counter(
      'sm_edge_storage_shed_total',
      'Rows deleted because the budget was used up.',
      ['kind'],
    );
  }

  start(): void {
    this.#tasks = [
      schedule(EVERY_MINUTE, () => this.#guard('retention', () => this.#everyMinute()), { noOverlap: true }),
      schedule(NIGHTLY, () => this.#guard('integrity check', () => this.#nightly()), { noOverlap: true }),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.destroy()));
    this.#tasks = [];
    await this.#guard('saving the baselines', () => this.#saveBaselines());
  }

  async #everyMinute(): Promise<void> {
    await this.#saveBaselines();
    const { store, clock, config, logger, onTrouble } = this.#deps;
    const { bytes, shed, overBudget } = await store.retention({
      nowMs: clock.nowMs(),
      budgetBytes: config.budget,
      keepMs: config.keep,
    });
    this.#bytes.set(bytes);
    for (const [kind, count] of Object.entries(shed)) this.#shed.inc({ kind }, count);
    if (Object.keys(shed).length > 0)
      logger.warn({ bytes, shed }, 'the budget is nearly used up: the oldest data went');
    if (overBudget) onTrouble(`the store takes ${bytes} bytes, more than its budget of ${config.budget}`);
  }

  async #nightly(): Promise<void> {
    const findings = await this.#deps.store.integrityCheck();
    if (findings.length !== 1 || findings[0] !== 'ok')
      this.#deps.onTrouble(`the store is damaged: ${findings.join('; ')}`);
  }

  async #saveBaselines(): Promise<void> {
    const documents = this.#deps.assessor
      .takeChangedBaselines()
      .map(([point, document]) => ({ key: `${BASELINE_PREFIX}${point}`, document }));
    if (documents.length > 0) await this.#deps.store.write({ documents });
  }

  async #guard(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.#deps.logger.warn(
        { error: toErrorRecord(thrown) },
        `${what} failed; it is tried again at its next time`,
      );
    }
  }
}
