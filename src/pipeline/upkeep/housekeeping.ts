import { type ScheduledTask, schedule } from 'node-cron';
import type { Clock } from '../../base/clock.js';
import { toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { TimeSync, TimeSyncAnswer } from '../../base/time-sync.js';
import type { StorageConfig } from '../../storage/config.js';
import { budgetView, diskUsage } from '../../storage/disk-usage.js';
import { RetentionClock, type RetentionTime, retentionClockSchema } from '../../storage/retention-clock.js';
import type { Store } from '../../storage/store.js';
import type { Anomalies } from '../assessment/anomalies.js';
import type { Assessor } from '../assessment/assessor.js';
import { OperatingStates } from '../machines/operating-states.js';
import type { StoreWatch } from './store-watch.js';

export interface HousekeepingDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly assessor: Assessor;
  readonly anomalies: Pick<Anomalies, 'takeChanged' | 'restore'>;
  readonly states: OperatingStates;
  readonly config: StorageConfig;
  readonly watch: StoreWatch;
  readonly timeSync: Pick<TimeSync, 'latest' | 'ask'>;
}

/** Retention, and what was learned of the points, every minute. */
const EVERY_MINUTE = '* * * * *';

const CLOCK_KEY = 'retention:clock';
const CLOCK_SAVED_EVERY_MS = 600_000;
/** How often each model was right. */
const PRECISION = 'model-precision';

const BASELINE_PREFIX = 'baseline:';
/** Baselines made into documents in one turn: a millisecond or two. */
const BASELINES_TOGETHER = 8;
const MAX_BASELINES = 20_000;

/** What has to be done now and then, by the clock on the wall. */
export class Housekeeping {
  readonly #deps: HousekeepingDeps;
  readonly #bytes;
  readonly #shed;
  /** Pages in use and the log, as of the last retention. */
  #databaseBytes: number | undefined;
  #tasks: ScheduledTask[] = [];
  #retentionClock: RetentionClock | undefined;
  #clockSavedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: HousekeepingDeps) {
    this.#deps = deps;
    this.#bytes = deps.metrics.gauge('sm_edge_storage_bytes', 'Space that the database takes.');
    this.#shed = deps.metrics.counter(
      'sm_edge_storage_shed_total',
      'Rows deleted because the budget was used up.',
      ['kind'],
    );
  }

  /** Takes up what was usual at each point before the restart, and what the validation of anomalies knew. */
  async restoreLearned(): Promise<void> {
    const { store, assessor, anomalies, states, logger } = this.#deps;
    // Before anything is measured: what a wrong clock stamps says nothing of the time.
    await this.retentionTime();
    assessor.precision.restore(await store.document(PRECISION));
    states.restore(await store.documents(OperatingStates.prefix));
    for (const [key, document] of await store.documents(BASELINE_PREFIX)) {
      try {
        assessor.restoreBaseline(key.slice(BASELINE_PREFIX.length), document);
      } catch (thrown) {
        logger.warn({ key, error: toErrorRecord(thrown) }, 'a baseline is learned anew');
      }
    }
    await anomalies.restore(store, store.journal);
  }

  /** A file that was too large to be checked as a whole at the start is checked right after it. */
  start(): void {
    this.#tasks = [
      schedule(EVERY_MINUTE, () => this.#guard('retention', () => this.#everyMinute()), { noOverlap: true }),
      schedule(this.#deps.config.check.schedule, () => this.#guard('integrity check', () => this.#check()), {
        noOverlap: true,
      }),
    ];
    this.#guard('integrity check', async () => {
      if (await this.#deps.store.isPartlyChecked()) await this.#check();
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#tasks.map((task) => task.destroy()));
    this.#tasks = [];
    await this.#guard('saving what was learned', () => this.#saveLearned());
  }

  async #everyMinute(): Promise<void> {
    await this.#saveLearned();
    await this.#deps.watch.refresh();
    await this.makeRoom();
  }

  /** Deletes what is too old, then what does not fit the budget or the disk. */
  async makeRoom(): Promise<void> {
    const { store, config, watch } = this.#deps;
    const before = await diskUsage(config.path);
    const { databaseBytes } = budgetView(before, this.#databaseBytes ?? before.database, config.budget);
    const time = await this.retentionTime();
    watch.age(time);
    const { bytes, shed } = await store.retention({
      nowMs: time.nowMs,
      budgetBytes: databaseBytes,
      keepMs: config.keep,
    });
    this.#databaseBytes = bytes;
    this.#bytes.set(bytes);
    for (const [kind, count] of Object.entries(shed)) this.#shed.inc({ kind }, count);
    watch.budget(budgetView(await diskUsage(config.path), bytes, config.budget), shed);
  }

  /** Says that the clock of the gateway is right, however far it has jumped. */
  async confirmClock(by: string): Promise<RetentionTime> {
    // What was not seen to hold is forgotten: it is looked at first.
    await this.retentionTime();
    this.#retentionClock?.confirm();
    this.#deps.logger.warn({ by }, 'the clock was confirmed: old data are deleted by it');
    this.#clockSavedMs = Number.NEGATIVE_INFINITY;
    const time = await this.retentionTime();
    this.#deps.watch.age(time);
    return time;
  }

  /** Does the system say that its clock follows a time source, and what says so? */
  timeSync(): Promise<TimeSyncAnswer> {
    return this.#deps.timeSync.ask();
  }

  /** What age is measured from, and whether the clock on the wall is believed. */
  async retentionTime(): Promise<RetentionTime> {
    const { store, clock, timeSync } = this.#deps;
    const retentionClock = await this.#loadedClock();
    const monotonicMs = clock.monotonicMs();
    const time = retentionClock.now({
      wallMs: clock.nowMs(),
      monotonicMs,
      synchronised: timeSync.latest().synchronised === true,
      newestDataMs: await store.newestDataMs(),
    });
    if (monotonicMs - this.#clockSavedMs >= CLOCK_SAVED_EVERY_MS) {
      this.#clockSavedMs = monotonicMs;
      // On a disk that takes nothing it is saved the next time; a restart before believes less, not more.
      await store.write({ documents: [{ key: CLOCK_KEY, document: retentionClock.state }] }).catch(() => {
        this.#clockSavedMs = Number.NEGATIVE_INFINITY;
      });
    }
    return time;
  }

  async #loadedClock(): Promise<RetentionClock> {
    if (this.#retentionClock === undefined) {
      const stored = retentionClockSchema.safeParse(await this.#deps.store.document(CLOCK_KEY));
      this.#retentionClock ??= new RetentionClock(stored.data);
    }
    return this.#retentionClock;
  }

  /** The whole file; what is damaged is replaced by the store, and reported by who watches it. */
  async #check(): Promise<void> {
    const { store, clock, logger, metrics } = this.#deps;
    const startMs = clock.monotonicMs();
    const findings = await store.integrityCheck();
    metrics
      .gauge('sm_edge_storage_check_timestamp_seconds', 'When the whole database was last checked.')
      .set(clock.nowMs() / 1000);
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    if (findings.length === 0) logger.info({ tookMs }, 'the database is sound');
    else logger.error({ tookMs, findings }, 'the database is damaged');
  }

  async #saveLearned(): Promise<void> {
    const { assessor, anomalies, states, store } = this.#deps;
    // Each that changes while the others are written waits for the next time.
    for (let left = MAX_BASELINES; left > 0; left -= BASELINES_TOGETHER) {
      const documents = assessor
        .takeChangedBaselines(BASELINES_TOGETHER)
        .map(([point, document]) => ({ key: `${BASELINE_PREFIX}${point}`, document }));
      if (documents.length > 0) await store.write({ documents });
      if (documents.length < BASELINES_TOGETHER) break;
    }
    const precision = assessor.precision.takeChanged();
    const documents = [
      ...states.takeChanged(),
      ...anomalies.takeChanged(),
      ...(precision === undefined ? [] : [{ key: PRECISION, document: precision }]),
    ];
    if (documents.length > 0) await store.write({ documents });
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
