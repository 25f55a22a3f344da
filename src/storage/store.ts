import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import type { ErrorRecord } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { WorkerClient } from '../base/worker-call.js';
import type { DeadLetter, EventJournal, JournaledEvent } from '../events/journal.js';
import type { Reading } from '../signals/reading.js';
import type { SampleBlock } from '../signals/sample-block.js';
import { CommitQueue } from './commit-queue.js';
import type { Outbox } from './outbox.js';
import type { Span, StoreCounts } from './reader.js';
import type { RetentionRequest, RetentionResult } from './retention.js';
import type { FeatureRow, ScoreRow, WriteBatch } from './rows.js';
import { StoredOutbox } from './stored-outbox.js';

export type { FeatureRow, ScoreRow, WriteBatch } from './rows.js';

export interface StoreOptions {
  /** Data folder; the database is `sm-edge.db` in it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** A pause that nobody feels and that makes many small writes one fsync, milliseconds. */
const COMMIT_INTERVAL_MS = 10;
const MAX_WAITING_BATCHES = 20_000;
const MAX_WAITING_BYTES = 64 * 2 ** 20;
/** An SD card may hang for long; after this the storage thread is given up and started again, milliseconds. */
const CALL_TIMEOUT_MS = 120_000;
const MAX_CALLS = 1_000;

/** Name of the database in the data folder. */
export const DATABASE_FILE = 'sm-edge.db';

/**
 * The one SQLite file, from the main thread: every call is a promise, the work is done in the storage thread. A write
 * resolves after the fsync of the commit that holds it.
 */
export class Store {
  readonly #worker: WorkerClient;
  readonly #queue: CommitQueue;
  readonly #open: () => Promise<{ setAside: string | undefined }>;
  readonly journal: EventJournal;
  readonly outbox: Outbox;

  private constructor({ folder, clock, metrics }: StoreOptions) {
    const restarts = metrics.counter(
      'sm_edge_storage_restarts_total',
      'Ends of the storage thread by fault.',
    );
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
    const stamp = new Date(clock.nowMs()).toISOString().replace(/[:.]/g, '-');
    this.#open = () => this.#worker.call('open', { path: join(folder, DATABASE_FILE), stamp });
    this.#queue = new CommitQueue({
      clock,
      metrics,
      commit: (batches) => this.#call<(ErrorRecord | undefined)[]>('commit', batches),
      intervalMs: COMMIT_INTERVAL_MS,
      maxBatches: MAX_WAITING_BATCHES,
      maxBytes: MAX_WAITING_BYTES,
    });
    this.journal = this.#journal();
    this.outbox = new StoredOutbox(
      (batch) => this.write(batch),
      (method, argument) => this.#call(method, argument),
      metrics,
    );
  }

  #opened: Promise<{ setAside: string | undefined }> | undefined;

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

  /** Where a damaged database was put aside at the start, if it was damaged. */
  async setAside(): Promise<string | undefined> {
    return (await this.#ensureOpen()).setAside;
  }

  /** Writes a batch, whole or not at all. Rejects with a retryable error while the disk does not take it. */
  write(batch: WriteBatch): Promise<void> {
    return this.#queue.write(batch);
  }

  readings(point: string, fromMs: number, toMs: number, limit: number): Promise<Reading[]> {
    return this.#call('readings', { point, fromMs, toMs, limit } satisfies Span);
  }

  /** Raw waveforms as they were delivered, sample by sample. */
  blocks(point: string, fromMs: number, toMs: number, limit: number): Promise<SampleBlock[]> {
    return this.#call('blocks', { point, fromMs, toMs, limit } satisfies Span);
  }

  features(point: string, fromMs: number, toMs: number, limit: number): Promise<FeatureRow[]> {
    return this.#call('features', { point, fromMs, toMs, limit } satisfies Span);
  }

  scores(point: string, fromMs: number, toMs: number, limit: number): Promise<ScoreRow[]> {
    return this.#call('scores', { point, fromMs, toMs, limit } satisfies Span);
  }

  points(): Promise<{ name: string; unit: string }[]> {
    return this.#call('points', undefined);
  }

  counts(): Promise<StoreCounts> {
    return this.#call('counts', undefined);
  }

  alarmStates(): Promise<unknown[]> {
    return this.#call('alarmStates', undefined);
  }

  /** A JSON document that a part keeps; undefined where there is none. */
  document(key: string): Promise<unknown> {
    return this.#call('document', key);
  }

  documents(prefix: string): Promise<[key: string, document: unknown][]> {
    return this.#call('documents', prefix);
  }

  /** `ok` alone, or what SQLite finds wrong. */
  integrityCheck(): Promise<string[]> {
    return this.#call('integrityCheck', undefined);
  }

  retention(request: RetentionRequest): Promise<RetentionResult> {
    return this.#call('retention', request);
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    await this.#queue.drain();
    await this.#worker.call('close', undefined).catch(() => undefined);
    await this.#worker.close();
  }

  /** A thread that ended and was started again has to open the file first. */
  #ensureOpen(): Promise<{ setAside: string | undefined }> {
    this.#opened ??= this.#open().catch((thrown) => {
      this.#opened = undefined;
      throw thrown;
    });
    return this.#opened;
  }

  async #call<T>(method: string, argument: unknown): Promise<T> {
    await this.#ensureOpen();
    return this.#worker.call<T>(method, argument);
  }

  #journal(): EventJournal {
    return {
      read: (afterSeq, limit) => this.#call<JournaledEvent[]>('journal', { afterSeq, limit }),
      head: () => this.#call<number>('journalHead', undefined),
      cursor: (subscriber) => this.#call<number | undefined>('cursor', subscriber),
      advance: (subscriber, seq) => this.#call<void>('advance', { subscriber, seq }),
      bury: (subscriber, journaled, error, diedMs) =>
        this.#call<void>('bury', { subscriber, journaled, error, diedMs }),
      deadLetters: (limit) => this.#call<DeadLetter[]>('deadLetters', limit),
      removeDeadLetter: (id) => this.#call<void>('removeDeadLetter', id),
    };
  }
}
