import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { type ErrorRecord, SmEdgeError, toErrorRecord, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { WorkerClient } from '../base/worker-call.js';
import type { EventJournal } from '../events/journal.js';
import { CommitQueue } from './commit-queue.js';
import type { DamagedFile } from './damage.js';
import { DATABASE_FILE } from './database-file.js';
import { HeldWrites } from './held-writes.js';
import type { OpenRequest, ReplaceRequest } from './open-store.js';
import type { Outbox } from './outbox.js';
import type { StoreCounts } from './reader.js';
import type { RetentionRequest, RetentionResult, RetentionStep } from './retention.js';
import type { WriteBatch } from './rows.js';
import { StoreQueries } from './store-queries.js';
import { storedJournal } from './stored-journal.js';
import { StoredOutbox } from './stored-outbox.js';
import type { WireBatch } from './wire/wire.js';
import type { CommitAnswer } from './worker.js';
import { WriteMeter } from './write-meter.js';

export type { Aggregates } from './rollups/aggregate.js';
export type { Plot } from './rollups/plot.js';
export type { BlockRow, FeatureRow, ReadingColumns, ScoreRow, WriteBatch } from './rows.js';

export interface StoreOptions {
  /** Data folder; the database is `sm-edge.db` in it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Called when the open file was found damaged and a new one put in its place. */
  readonly onDamage?: (finding: string) => void;
  /** Called after each commit: the error that the disk gave, or undefined where it took everything. */
  readonly onDisk?: (error: ErrorRecord | undefined) => void;
}

/** A pause that nobody feels and that makes many small writes one fsync, milliseconds. */
const COMMIT_INTERVAL_MS = 10;
/** Readings that nobody waits for, features and scores: four commits a second in place of up to a hundred. */
const RELAXED_MS = 250;
/** A commit this large takes some tenths of a second; more would keep those that wait for an answer too long. */
const MAX_COMMIT_BYTES = 8 * 2 ** 20;
/** To hand these over takes the main thread about a millisecond. */
const MAX_COMMIT_BATCHES = 256;
const MAX_WAITING_BATCHES = 20_000;
const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** What is kept in memory while the disk takes nothing. */
const MAX_HELD_BYTES = 32 * 2 ** 20;
/** An SD card may hang for long; after this the storage thread is given up and started again, milliseconds. */
const CALL_TIMEOUT_MS = 120_000;
const MAX_CALLS = 1_000;
/** The full check reads the whole file, from a slow card for hours. */
const CHECK_TIMEOUT_MS = 6 * 3_600_000;
/** A file that is damaged again and again is not the file's fault: no more new ones than these in an hour. */
const MAX_REPLACEMENTS = 3;
const REPLACEMENTS_WITHIN_MS = 3_600_000;

/** Code of the error that a damaged file makes. */
const DAMAGED = 'STORE_DAMAGED';

interface OpenResult {
  readonly isPartlyChecked: boolean;
}
/** Sealed at the latest after this, so that a slow point has chunks too, milliseconds. */
const SEAL_AFTER_MS = 3_600_000;
/** Steps of one call of retention; what is left goes with the next. */
const MAX_RETENTION_STEPS = 1_000;

export { DATABASE_FILE } from './database-file.js';

/**
 * The one SQLite file, from the main thread: every call is a promise, the work is done in the storage thread. A write
 * resolves after the fsync of the commit that holds it.
 */
export class Store extends StoreQueries {
  readonly #worker: WorkerClient;
  readonly #queue: CommitQueue;
  readonly #held: HeldWrites;
  readonly #options: StoreOptions;
  readonly #path: string;
  readonly #sealFailures;
  readonly #writeMeter: WriteMeter;
  /** When files were replaced, monotonic milliseconds. */
  #replacedMs: number[] = [];
  #replacing: Promise<void> | undefined;
  #checker: WorkerClient | undefined;
  protected readonly clock: Clock;
  readonly journal: EventJournal;
  readonly outbox: Outbox;

  private constructor(options: StoreOptions) {
    super();
    const { folder, clock, metrics } = options;
    this.#options = options;
    this.clock = options.clock;
    this.#path = join(folder, DATABASE_FILE);
    const restarts = metrics.counter('sm_edge_storage_restarts_total', 'Faulty ends of the storage thread.');
    this.#worker = new WorkerClient({
      name: 'storage',
      url: new URL('./worker.js', import.meta.url),
      clock,
      maxPending: MAX_CALLS,
      timeoutMs: CALL_TIMEOUT_MS,
      onCrash: () => {
        restarts.inc();
        this.#opened = undefined;
      },
    });
    this.#writeMeter = new WriteMeter(metrics);
    this.#sealFailures = metrics.counter(
      'sm_edge_storage_seal_failures_total',
      'Times that the newest rows could not be moved into chunks; they are tried again.',
      ['code'],
    );
    this.#queue = new CommitQueue({
      clock,
      metrics,
      commit: (batches) => this.#commit(batches),
      intervalMs: COMMIT_INTERVAL_MS,
      relaxedMs: RELAXED_MS,
      maxCommitBytes: MAX_COMMIT_BYTES,
      maxCommitBatches: MAX_COMMIT_BATCHES,
      maxBatches: MAX_WAITING_BATCHES,
      maxBytes: MAX_WAITING_BYTES,
    });
    this.#held = new HeldWrites({
      clock,
      metrics,
      write: (batch) => this.#queue.write(batch, true),
      maxBytes: MAX_HELD_BYTES,
    });
    this.journal = storedJournal((method, argument) => this.call(method, argument), clock);
    this.outbox = new StoredOutbox(
      (batch) => this.write(batch),
      (method, argument) => this.call(method, argument),
      metrics,
      clock,
    );
  }

  /** The tail on its way into chunks, step by step, with commits of live data between. */
  #sealing: Promise<void> | undefined;
  #sealedMs = 0;

  #opened: Promise<OpenResult> | undefined;

  /**
   * Opens, makes or migrates the database.
   * @throws SmEdgeError `STORE_IN_USE`, `STORE_NEWER`, `STORE_OPEN`
   */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options);
    try {
      await store.#ensureOpen();
    } catch (thrown) {
      await store.#worker.close();
      throw thrown;
    }
    return store;
  }

  /** True where the file was too large to be checked as a whole at the start. */
  async isPartlyChecked(): Promise<boolean> {
    return (await this.#ensureOpen()).isPartlyChecked;
  }

  /** Databases that were found damaged and set aside, the oldest first, with what has been read out of each. */
  damagedFiles(): Promise<DamagedFile[]> {
    return this.call('damagedFiles', undefined);
  }

  /** Reads a slice of what damaged files still hold; false when there is nothing left. */
  salvageStep(): Promise<boolean> {
    return this.call('salvageStep', undefined);
  }

  /** Writes a batch, whole or not at all. Rejects with a retryable error while the disk does not take it. */
  write(batch: WriteBatch): Promise<void> {
    return this.#queue.write(batch);
  }

  /**
   * Writes what nobody waits for; while the disk takes nothing it is kept in memory (held-writes.ts). Rejects what can
   * never be written.
   */
  save(batch: WriteBatch): Promise<void> {
    return this.#held.save(batch);
  }

  /** Closes and opens the file: a disk that was read-only when it was opened may not be so any more. */
  async reopen(): Promise<void> {
    // From now on, or what is asked meanwhile would find the file closed.
    this.#opened = this.#open(this.#worker.call('close', undefined).catch(() => undefined));
    await this.#opened;
  }

  /** How full the queue of what waits for the disk is, 0 to 1. */
  get fullness(): number {
    return this.#queue.fullness;
  }

  /** Time of the newest data, milliseconds; undefined where there are none. */
  newestDataMs(): Promise<number | undefined> {
    return this.call('newestDataMs', undefined);
  }

  counts(): Promise<StoreCounts> {
    return this.call('counts', undefined);
  }

  /**
   * Reads the whole file, in a thread of its own, while it is written to; a file with faults is replaced.
   * @returns what SQLite finds wrong; empty where nothing is
   */
  async integrityCheck(): Promise<string[]> {
    if (this.#checker !== undefined)
      throw new SmEdgeError('STORE_BUSY', 'a check is under way', { retryable: true });
    await this.#ensureOpen();
    this.#checker = new WorkerClient({
      name: 'storage check',
      url: new URL('./check-worker.js', import.meta.url),
      clock: this.#options.clock,
      maxPending: 1,
      timeoutMs: CHECK_TIMEOUT_MS,
    });
    try {
      const findings = await this.#checker.call<string[]>('check', this.#path);
      if (findings.length > 0) await this.#replace(findings[0]!);
      return findings;
    } finally {
      await this.#checker?.close();
      this.#checker = undefined;
    }
  }

  /** Deletes what is too old, then what does not fit the budget, in short steps between which live data are written. */
  async retention(request: RetentionRequest): Promise<RetentionResult> {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#sealedMs >= SEAL_AFTER_MS) {
      this.#sealedMs = nowMs;
      await this.seal();
    }
    const aged: Record<string, number> = {};
    const shed: Record<string, number> = {};
    let shedding = false;
    for (let step = 0; ; step++) {
      const done: RetentionStep = await this.call('retention', { request, shedding });
      addTo(aged, done.aged);
      addTo(shed, done.shed);
      shedding = done.shedding;
      if (done.more && step < MAX_RETENTION_STEPS) continue;
      this.#writeMeter.sample(this.#options.clock.monotonicMs(), done.writtenBytes);
      return { ...done, aged, shed };
    }
  }

  /** Moves what is in the tail now into compressed chunks; it happens by itself when the tail has grown. */
  seal(): Promise<void> {
    this.#sealing ??= this.#seal();
    return this.#sealing;
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    await this.#queue.drain();
    await this.#held.close();
    await this.#checker?.close();
    await this.#worker.call('close', undefined).catch(() => undefined);
    await this.#worker.close();
  }

  /** A thread that ended and was started again has to open the file first. */
  #ensureOpen(): Promise<OpenResult> {
    this.#opened ??= this.#open(Promise.resolve());
    return this.#opened;
  }

  async #open(closed: Promise<unknown>): Promise<OpenResult> {
    await closed;
    try {
      const request: OpenRequest = { path: this.#path, stamp: this.#stamp() };
      return await this.#worker.call<OpenResult>('open', request);
    } catch (thrown) {
      this.#opened = undefined;
      throw thrown;
    }
  }

  async #commit(batches: readonly WireBatch[]): Promise<readonly (ErrorRecord | undefined)[]> {
    const { onDisk } = this.#options;
    try {
      await this.#ensureOpen();
      // Once: what has changed hands cannot be sent again. Damage is told by the errors.
      const { errors, sealDue } = await this.#worker.call<CommitAnswer>(
        'commit',
        batches,
        batches.flatMap(({ buffers }) => buffers),
      );
      const damaged = errors.find((error) => error?.code === DAMAGED);
      if (damaged !== undefined) await this.#replace(damaged.message);
      if (sealDue) this.#sealing ??= this.#seal();
      // A batch that can never be written says nothing of the disk.
      onDisk?.(errors.find((error) => error?.retryable === true && error.code !== DAMAGED));
      return errors;
    } catch (thrown) {
      onDisk?.(toErrorRecord(thrown, 'STORE_WRITE'));
      throw thrown;
    }
  }

  async #seal(): Promise<void> {
    try {
      while (await this.call<boolean>('seal', undefined));
    } catch (thrown) {
      // The rows stay in the tail, where they are as safe; the next commit asks again.
      this.#sealFailures.inc({ code: toSmEdgeError(thrown).code });
    } finally {
      this.#sealing = undefined;
    }
  }

  protected async call<T>(method: string, argument: unknown): Promise<T> {
    await this.#ensureOpen();
    try {
      return await this.#worker.call<T>(method, argument);
    } catch (thrown) {
      if (!(thrown instanceof SmEdgeError)) throw thrown;
      // It was being opened again just then.
      if (thrown.code === 'STORE_CLOSED') await this.#ensureOpen();
      else if (thrown.code === DAMAGED) await this.#replace(thrown.message);
      else throw thrown;
      return this.#worker.call<T>(method, argument);
    }
  }

  /** Puts a new file in the place of the damaged one, once for all calls that met the damage. */
  #replace(finding: string): Promise<void> {
    this.#replacing ??= this.#replaceOnce(finding).finally(() => {
      this.#replacing = undefined;
    });
    return this.#replacing;
  }

  async #replaceOnce(finding: string): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    this.#replacedMs = this.#replacedMs.filter((ms) => nowMs - ms < REPLACEMENTS_WITHIN_MS);
    if (this.#replacedMs.length < MAX_REPLACEMENTS) {
      this.#replacedMs.push(nowMs);
      await this.#worker
        .call('replace', { stamp: this.#stamp(), finding } satisfies ReplaceRequest)
        .catch((thrown) => {
          this.#opened = undefined;
          throw thrown;
        });
    }
    this.#options.onDamage?.(finding);
  }

  #stamp(): string {
    return new Date(this.#options.clock.nowMs()).toISOString().replace(/[:.]/g, '-');
  }
}

function addTo(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [kind, count] of Object.entries(counts)) sums[kind] = (sums[kind] ?? 0) + count;
}
