import { access } from 'node:fs/promises';
import { type Clock, sleep } from '../../base/clock.js';
import { type ErrorRecord, toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import { damageSentence, damageTotals } from '../../storage/damage-report.js';
import type { BudgetLevel, BudgetView } from '../../storage/disk-usage.js';
import type { StoreHealth } from '../../storage/health.js';
import type { RetentionTime } from '../../storage/retention-clock.js';
import type { Store } from '../../storage/store.js';

const BUDGET_REASONS: Readonly<Record<Exclude<BudgetLevel, 'good'>, string>> = {
  warn: '; from 90 % on the oldest data are deleted, raw waveforms first',
  shed: '; the oldest data are being deleted, raw waveforms first',
  full: '; nothing more may be deleted: enlarge storage.budget, shorten storage.keep, or take backups away',
};

const TRUE = () => true;
const FALSE = () => false;
const DAY_MS = 86_400_000;
/** A gateway that was off for some days is not told of. */
const DOUBT_TOLD_FROM_MS = 7 * DAY_MS;
const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

export interface StoreWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly health: StoreHealth;
  /** Called when the disk is full: to delete what may go. */
  readonly makeRoom: () => Promise<void>;
}

/** Between two slices of a salvage the storage thread belongs to the live data, milliseconds. */
const SALVAGE_PAUSE_MS = 20;
/** After a slice that the disk did not take, milliseconds. */
const SALVAGE_RETRY_MS = 30_000;

/** While the disk takes nothing: how often room is made, or the file is opened again, milliseconds. */
const RESCUE_MS = 10_000;

/** Says how the store is: damaged files and what has been read out of them, the budget, and a disk that takes nothing. */
export class StoreWatch {
  readonly #deps: StoreWatchDeps;
  readonly #gauges;
  readonly #abort = new AbortController();
  #shed = false;
  #rescue: Promise<void> | undefined;
  #salvage: Promise<void> | undefined;

  constructor(deps: StoreWatchDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#gauges = {
      files: metrics.gauge('sm_edge_storage_damaged_files', 'Damaged databases that are set aside.'),
      salvaged: metrics.gauge('sm_edge_storage_salvaged_rows', 'Rows read out of damaged databases.', [
        'table',
      ]),
      used: metrics.gauge('sm_edge_storage_used_bytes', 'What counts against the budget.'),
      limit: metrics.gauge('sm_edge_storage_limit_bytes', 'The budget, or less where the disk has less.'),
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
    const known = await store.damagedFiles();
    // Not with existsSync: a disk that hangs would hang the daemon.
    const there = await Promise.all(known.map(({ file }) => access(file).then(TRUE, FALSE)));
    const files = known.filter((_, index) => there[index]);
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

  /**
   * How much of the budget is used, and what was deleted for it.
   * @param shed rows by kind
   */
  budget(view: BudgetView, shed: Readonly<Record<string, number>>): void {
    const { health, logger } = this.#deps;
    this.#gauges.used.set(view.usedBytes);
    this.#gauges.limit.set(view.limitBytes);
    const deleted = Object.entries(shed).filter(([, rows]) => rows > 0);
    if (deleted.length > 0)
      logger.warn({ ...view, shed }, 'the budget is nearly used up: the oldest data went');
    // A store that lives at its budget sheds every few minutes: that is one trouble, not one for each time.
    this.#shed = view.level !== 'good' && (this.#shed || deleted.length > 0);
    if (view.level === 'good') {
      health.clear('budget');
      return;
    }
    const level = view.level === 'warn' && this.#shed ? 'shed' : view.level;
    const percent = Math.round((100 * view.usedBytes) / view.limitBytes);
    const what = `the data folder takes ${percent} % of ${mebibytes(view.limitBytes)}`;
    health.set({ condition: 'budget', level, state: 'degraded', reason: `${what}${BUDGET_REASONS[level]}` });
  }

  /** Whether the clock is believed by what deletes old data. */
  age({ doubtedMs, catchingUp }: RetentionTime): void {
    const { health } = this.#deps;
    if (doubtedMs < DOUBT_TOLD_FROM_MS) {
      health.clear('clock');
      return;
    }
    const lead = `the clock is ${Math.round(doubtedMs / DAY_MS)} days ahead of what has gone by`;
    health.set({
      condition: 'clock',
      level: catchingUp ? 'catching up' : 'doubted',
      state: 'degraded',
      reason: catchingUp
        ? `${lead} and has been so for a while: old data are deleted by it, a day of them every ten minutes`
        : `${lead}: nothing is deleted because of its age until it has held for an hour with a time server, or for a week; set it right, or confirm it with "sm-edge clock confirm"`,
    });
  }

  /** What the disk said to a commit: an error, or nothing where it took everything. */
  disk(error: ErrorRecord | undefined): void {
    const { health } = this.#deps;
    if (error === undefined) {
      health.clear('disk');
      return;
    }
    const hint = error.hint === undefined ? '' : ` (${error.hint})`;
    const reason = `${error.message}${hint}; data are kept in memory meanwhile, up to a limit`;
    health.set({ condition: 'disk', level: error.code, state: 'degraded', reason });
    this.#rescue ??= this.#rescueDisk(error.code).finally(() => {
      this.#rescue = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all([this.#salvage, this.#rescue]);
  }

  /** A full disk: delete what may go. One that is read-only or fails: open the file again, for it may be back. */
  async #rescueDisk(code: string): Promise<void> {
    const { store, clock, logger, makeRoom } = this.#deps;
    try {
      if (code === 'STORE_FULL') await makeRoom();
      else await store.reopen();
    } catch (thrown) {
      logger.warn({ error: toErrorRecord(thrown) }, 'the disk still takes nothing');
    }
    await sleep(clock, 'rescue of the disk', RESCUE_MS, this.#abort.signal);
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
