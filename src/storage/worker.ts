import { type ErrorRecord, SmEdgeError } from '../base/errors.js';
import { serveWorker, type WorkerHandlers } from '../base/worker-call.js';
import type { ConsumedMark } from '../events/once.js';
import type { EventQuery } from '../events/query.js';
import { ChunkStore } from './chunks/chunk-store.js';
import type { SeriesKind } from './chunks/kinds.js';
import type { Span } from './chunks/queries.js';
import {
  type DamagedFile,
  damagedFiles,
  damageError,
  isDamage,
  replaceDamaged,
  SalvageWork,
} from './damage.js';
import { openDatabase, openOrReplace } from './database.js';
import { EventReader } from './event-reader.js';
import type { OutboxLane } from './outbox.js';
import { Reader } from './reader.js';
import { makeReserve, useReserve } from './reserve-file.js';
import { type RetentionRequest, type RetentionStep, retentionStep } from './retention.js';
import type { AggregateRequest } from './rollups/aggregate.js';
import type { PlotRequest } from './rollups/plot.js';
import { SqliteDatabase } from './sqlite.js';
import { isPartlyChecked } from './start-check.js';
import { movedArrays, movedJson, movedReadings, movedRows, movedSeries } from './wire/answers.js';
import type { WireBatch } from './wire/wire.js';
import { writeError } from './write-error.js';
import { Writer } from './writer.js';

export interface OpenRequest {
  readonly path: string;
  /** For the name of a damaged file that is set aside. */
  readonly stamp: string;
}

export interface ReplaceRequest {
  readonly stamp: string;
  /** What was found wrong. */
  readonly finding: string;
}

export interface CommitAnswer {
  /** Undefined or the error of each batch. */
  readonly errors: readonly (ErrorRecord | undefined)[];
  /** The tail has grown: `seal` is to be called until it gives false. */
  readonly sealDue: boolean;
}

/** What the thread holds once the file is open. */
class OpenStore {
  readonly #path: string;
  readonly #lock;
  #db: SqliteDatabase;
  #salvage: SalvageWork;
  chunks: ChunkStore;
  writer: Writer;
  reader: Reader;
  events: EventReader;

  constructor({ path, stamp }: OpenRequest) {
    const { db, lock } = openDatabase(path, stamp);
    this.#lock = lock;
    this.#path = path;
    this.#db = db;
    this.#salvage = new SalvageWork(db);
    this.chunks = new ChunkStore(db);
    this.writer = new Writer(db, this.chunks);
    this.reader = new Reader(db, this.chunks);
    this.events = new EventReader(db);
  }

  get isPartlyChecked(): boolean {
    return isPartlyChecked(this.#path);
  }

  damagedFiles(): DamagedFile[] {
    return damagedFiles(this.#db);
  }

  salvageStep(): boolean {
    return this.#salvage.step();
  }

  /** Sets the open file aside and goes on with a new one. */
  replace({ stamp, finding }: ReplaceRequest): void {
    this.#salvage.close();
    this.#db.close();
    try {
      replaceDamaged(this.#path, stamp, finding);
      this.#db = openOrReplace(this.#path, stamp);
    } catch (thrown) {
      // A disk that takes no new file: the next call opens, and tries again.
      this.#lock.release();
      store = undefined;
      throw thrown;
    }
    this.#salvage = new SalvageWork(this.#db);
    this.chunks = new ChunkStore(this.#db);
    this.writer = new Writer(this.#db, this.chunks);
    this.reader = new Reader(this.#db, this.chunks);
    this.events = new EventReader(this.#db);
  }

  useReserve(): void {
    useReserve(this.#path);
  }

  retention(request: RetentionRequest, shedding: boolean): RetentionStep {
    const step = () => retentionStep(this.#db, this.#path, request, shedding);
    let done: RetentionStep;
    try {
      done = step();
    } catch (thrown) {
      // Deleting needs some room itself: that is what the reserve is for.
      if ((thrown as { code?: unknown }).code !== 'SQLITE_FULL' || !useReserve(this.#path)) throw thrown;
      done = step();
    }
    if (!done.more) makeReserve(this.#path);
    return done;
  }

  close(): void {
    this.#salvage.close();
    let keeper: SqliteDatabase | undefined;
    try {
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
      // The last connection deletes the log, unless it may not write; and without a log a database cannot be opened on
      // a disk that is read-only (sqlite.org/wal.html, "Read-Only Databases").
      keeper = new SqliteDatabase(this.#path, { readonly: true });
      keeper.pragma('user_version');
    } catch {
      // On a disk that takes nothing the log stays: the next start reads it.
    } finally {
      this.#db.close();
      keeper?.close();
      this.#lock.release();
    }
  }
}

let store: OpenStore | undefined;

function opened(): OpenStore {
  if (store === undefined)
    throw new SmEdgeError('STORE_CLOSED', 'the store is not open', { retryable: true });
  return store;
}

/** A disk that is full, read-only or failing: another try may go well. */
const isOfTheDisk = (thrown: unknown): boolean =>
  /^SQLITE_(FULL|READONLY|IOERR|BUSY|CANTOPEN)/.test(String((thrown as { code?: unknown } | null)?.code));

/** What SQLite says of a damaged file or of the disk, in the house's words: the store replaces the file on the first. */
function inOurWords<H extends WorkerHandlers>(handlers: H): WorkerHandlers {
  const translated = (handler: (argument: never) => unknown) => (argument: never) => {
    try {
      return handler(argument);
    } catch (thrown) {
      if (thrown instanceof SmEdgeError) throw thrown;
      if (isDamage(thrown)) throw damageError(thrown);
      throw isOfTheDisk(thrown) ? writeError(thrown) : thrown;
    }
  };
  return Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, translated(handler)]));
}

/** Only receives, calls and answers: the SQL is in the writer, the reader and the retention. */
const handlers = {
  open(request: OpenRequest) {
    store ??= new OpenStore(request);
    return { isPartlyChecked: store.isPartlyChecked };
  },
  commit(batches: readonly WireBatch[]): CommitAnswer {
    const { writer, chunks } = opened();
    const errors = writer.commit(batches);
    if (errors.some((error) => error?.code === 'STORE_FULL')) opened().useReserve();
    return { errors, sealDue: chunks.sealDue };
  },
  seal: () => opened().chunks.sealStep(),
  series: ({ kind, span }: { kind: SeriesKind; span: Span }) =>
    movedSeries(opened().reader.series(kind, span)),
  readingColumns: (span: Span) => movedArrays(opened().reader.readingColumns(span)),
  lastReadings: (points: readonly string[]) => movedReadings(opened().reader.lastReadings(points)),
  aggregate: (request: AggregateRequest) => movedArrays(opened().reader.aggregate(request)),
  plot: (request: PlotRequest) => movedArrays(opened().reader.plot(request)),
  blocks: (span: Span) => movedArrays(opened().reader.blocks(span)),
  points: () => movedJson(opened().reader.points()),
  counts: () => opened().reader.counts(),
  newestDataMs: () => opened().reader.newestDataMs(),
  journal: (request: { afterSeq: number; limit: number }) => movedJson(opened().reader.journal(request)),
  journalHead: () => opened().reader.journalHead(),
  cursor: (subscriber: string) => opened().reader.cursor(subscriber),
  advance: ({ subscriber, seq }: { subscriber: string; seq: number }) =>
    opened().writer.advance(subscriber, seq),
  bury: (request: Parameters<Writer['bury']>[0]) => opened().writer.bury(request),
  findEvents: (query: EventQuery) => movedJson(opened().events.find(query)),
  deadLetters: (request: { limit: number; subscriber: string | undefined }) =>
    movedJson(opened().events.deadLetters(request)),
  deadLetter: (id: number) => opened().events.deadLetter(id),
  countDeadLetters: () => opened().events.countDeadLetters(),
  isConsumed: (mark: ConsumedMark) => opened().events.isConsumed(mark),
  retriedDeadLetter: (request: Parameters<Writer['retriedDeadLetter']>[0]) =>
    opened().writer.retriedDeadLetter(request),
  removeDeadLetter: (id: number) => opened().writer.removeDeadLetter(id),
  alarmStates: () => movedJson(opened().reader.alarmStates()),
  document: (key: string) => opened().reader.document(key),
  documents: (prefix: string) => movedJson(opened().reader.documents(prefix)),
  outboxTake: (request: { sink: string; nowMs: number; limit: number; lane: OutboxLane | undefined }) =>
    movedRows(opened().reader.outboxTake(request)),
  outboxDone: (ids: readonly number[]) => opened().writer.outboxDone(ids),
  outboxFailed: (request: { id: number; error: string; nextAttemptMs: number }) =>
    opened().writer.outboxFailed(request),
  outboxToBacklog: (sink: string) => opened().writer.outboxToBacklog(sink),
  outboxTrim: (request: { sink: string; maxRows: number }) => opened().writer.outboxTrim(request),
  outboxStats: () => opened().reader.outboxStats(),
  damagedFiles: () => opened().damagedFiles(),
  salvageStep: () => opened().salvageStep(),
  replace: (request: ReplaceRequest) => opened().replace(request),
  retention: ({ request, shedding }: { request: RetentionRequest; shedding: boolean }) =>
    opened().retention(request, shedding),
  close() {
    const closing = store;
    store = undefined;
    closing?.close();
  },
};

serveWorker(inOurWords(handlers));
