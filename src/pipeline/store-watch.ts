import { existsSync } from 'node:fs';
import { type Clock, sleep } from '../base/clock.js';
import { toErrorRecord } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import { damageSentence, damageTotals } from '../storage/damage-report.js';
import type { StoreHealth } from '../storage/health.js';
import type { Store } from '../storage/store.js';

export interface StoreWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly health: StoreHealth;
}

/** Between two slices of a salvage the storage thread belongs to the live data, milliseconds. */
const SALVAGE_PAUSE_MS = 20;
/** After a slice that the disk did not take, milliseconds. */
const SALVAGE_RETRY_MS = 30_000;

/** Says how the store is: damaged files, and what has been read out of them. */
export class StoreWatch {
  readonly #deps: StoreWatchDeps;
  readonly #gauges;
  readonly #abort = new AbortController();
  #salvage: Promise<void> | undefined;

  constructor(deps: StoreWatchDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#gauges = {
      files: metrics.gauge('sm_edge_storage_damaged_files', 'Damaged databases that are set aside.'),
      salvaged: metrics.gauge('sm_edge_storage_salvaged_rows', 'Rows read out of damaged databases.', [
        'table',
      ]),
      lost: metrics.gauge('sm_edge_storage_lost_rows', 'Rows of damaged databases that are lost, about.'),
    };
  }

  /** Reports damage that was found, and reads on in the background. */
  async damageFound(): Promise<void> {
    await this.refresh();
    this.#salvage ??= this.#readOn().finally(() => {
      this.#salvage = undefined;
    });
  }

  /** A damaged file that somebody has taken away is no trouble any more. */
  async refresh(): Promise<void> {
    const { store, health } = this.#deps;
    const files = (await store.damagedFiles()).filter(({ file }) => existsSync(file));
    this.#gauges.files.set(files.length);
    for (const { tallies } of files)
      for (const [table, { rows }] of Object.entries(tallies)) this.#gauges.salvaged.set({ table }, rows);
    this.#gauges.lost.set(files.reduce((sum, file) => sum + damageTotals(file).lostRows, 0));
    const newest = files.at(-1);
    if (newest === undefined) return health.clear('damage');
    const further = files.length > 1 ? ` (and ${files.length - 1} earlier ones)` : '';
    health.set({
      condition: 'damage',
      level: `${newest.file} ${newest.nextPage === null ? 'read' : 'being read'}`,
      state: 'degraded',
      reason: `${damageSentence(newest)}${further}; look at the disk ("dmesg"), then move the file away`,
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#salvage;
  }

  async #readOn(): Promise<void> {
    const { store, clock, logger } = this.#deps;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      let pauseMs = SALVAGE_PAUSE_MS;
      try {
        if (!(await store.salvageStep())) break;
      } catch (thrown) {
        logger.warn({ error: toErrorRecord(thrown) }, 'a damaged database cannot be read further now');
        pauseMs = SALVAGE_RETRY_MS;
      }
      await sleep(clock, 'salvage', pauseMs, signal);
    }
    if (!signal.aborted) await this.refresh().catch(() => undefined);
  }
}
