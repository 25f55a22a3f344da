import { SmEdgeError } from '../base/errors.js';
import { serveWorker } from '../base/worker-call.js';
import { openDatabase } from './database.js';
import type { OutboxLane } from './outbox.js';
import { Reader, type Span } from './reader.js';
import { applyRetention, type RetentionRequest, type RetentionResult } from './retention.js';
import type { WriteBatch } from './rows.js';
import { Writer } from './writer.js';

export interface OpenRequest {
  readonly path: string;
  /** For the name of a damaged file that is set aside. */
  readonly stamp: string;
}

/** What the thread holds once the file is open. */
class OpenStore {
  readonly #path: string;
  readonly #db;
  readonly #lock;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly setAside: string | undefined;

  constructor({ path, stamp }: OpenRequest) {
    const { db, setAside, lock } = openDatabase(path, stamp);
    this.#lock = lock;
    this.#path = path;
    this.#db = db;
    this.setAside = setAside;
    this.writer = new Writer(db);
    this.reader = new Reader(db);
  }

  integrityCheck(): string[] {
    const rows = this.#db.pragma('integrity_check(20)') as { integrity_check: string }[];
    return rows.map((row) => row.integrity_check);
  }

  retention(request: RetentionRequest): RetentionResult {
    return applyRetention(this.#db, this.#path, request);
  }

  close(): void {
    this.#db.pragma('wal_checkpoint(TRUNCATE)');
    this.#db.close();
    this.#lock.release();
  }
}

let store: OpenStore | undefined;

function opened(): OpenStore {
  if (store === undefined)
    throw new SmEdgeError('STORE_CLOSED', 'the store is not open', { retryable: true });
  return store;
}

/** Only receives, calls and answers: the SQL is in the writer, the reader and the retention. */
serveWorker({
  open(request: OpenRequest) {
    store ??= new OpenStore(request);
    return { setAside: store.setAside };
  },
  commit: (batches: readonly WriteBatch[]) => opened().writer.commit(batches),
  readings: (span: Span) => opened().reader.readings(span),
  blocks: (span: Span) => opened().reader.blocks(span),
  features: (span: Span) => opened().reader.features(span),
  scores: (span: Span) => opened().reader.scores(span),
  points: () => opened().reader.points(),
  counts: () => opened().reader.counts(),
  journal: (request: { afterSeq: number; limit: number }) => opened().reader.journal(request),
  journalHead: () => opened().reader.journalHead(),
  cursor: (subscriber: string) => opened().reader.cursor(subscriber),
  advance: ({ subscriber, seq }: { subscriber: string; seq: number }) =>
    opened().writer.advance(subscriber, seq),
  bury: (request: Parameters<Writer['bury']>[0]) => opened().writer.bury(request),
  deadLetters: (limit: number) => opened().reader.deadLetters(limit),
  removeDeadLetter: (id: number) => opened().writer.removeDeadLetter(id),
  alarmStates: () => opened().reader.alarmStates(),
  document: (key: string) => opened().reader.document(key),
  documents: (prefix: string) => opened().reader.documents(prefix),
  outboxTake: (request: { sink: string; nowMs: number; limit: number; lane: OutboxLane | undefined }) =>
    opened().reader.outboxTake(request),
  outboxDone: (ids: readonly number[]) => opened().writer.outboxDone(ids),
  outboxFailed: (request: { id: number; error: string; nextAttemptMs: number }) =>
    opened().writer.outboxFailed(request),
  outboxToBacklog: (sink: string) => opened().writer.outboxToBacklog(sink),
  outboxTrim: (request: { sink: string; maxRows: number }) => opened().writer.outboxTrim(request),
  outboxStats: () => opened().reader.outboxStats(),
  integrityCheck: () => opened().integrityCheck(),
  retention: (request: RetentionRequest) => opened().retention(request),
  close() {
    store?.close();
    store = undefined;
  },
});
