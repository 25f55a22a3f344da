import { type ErrorRecord, SmEdgeError } from '../base/errors.js';
import { nextTurn } from '../base/turns.js';
import { serveWorker, type WorkerHandlers } from '../base/worker-call.js';
import type { ConsumedMark } from '../events/once.js';
import type { EventQuery } from '../events/query.js';
import type { SeriesKind } from './chunks/kinds.js';
import type { Span } from './chunks/queries.js';
import { damageError, isDamage } from './damage.js';
import { type OpenRequest, OpenStore, type ReplaceRequest } from './open-store.js';
import type { OutboxLane } from './outbox.js';
import type { RetentionRequest } from './retention.js';
import type { AggregateRequest } from './rollups/aggregate.js';
import type { PlotRequest } from './rollups/plot.js';
import { movedArrays, movedJson, movedReadings, movedRows, movedSeries } from './wire/answers.js';
import type { WireBatch } from './wire/wire.js';
import { writeError } from './write-error.js';
import type { Writer } from './writer.js';

export interface CommitAnswer {
  /** Undefined or the error of each batch. */
  readonly errors: readonly (ErrorRecord | undefined)[];
  /** The tail has grown: `seal` is to be called until it gives false. */
  readonly sealDue: boolean;
}

let store: OpenStore | undefined;

function opened(): OpenStore {
  if (store === undefined)
    throw new SmEdgeError('STORE_CLOSED', 'the store is not open', { retryable: true });
  return store;
}

/** What SQLite said when the disk failed while it wrote: from then on nothing is written until the file is opened anew. */
let failure: SmEdgeError | undefined;
/** The same, until the file was opened anew. */
let hasFailed = false;

function writable(): OpenStore {
  const writing = opened();
  if (failure !== undefined) throw failure;
  void nextTurn().then(() => checkpoint(writing));
  return writing;
}

/** What was written is answered for first; that the log cannot be written back does not undo it. */
function checkpoint(written: OpenStore): void {
  if (written !== store || failure !== undefined) return;
  try {
    written.checkpoints.afterWrite();
  } catch (thrown) {
    noteFailure(thrown);
  }
}

function noteFailure(thrown: unknown): void {
  const error = writeError(thrown);
  if (error.code !== 'STORE_FAILED') return;
  failure = error;
  hasFailed = true;
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
      noteFailure(thrown);
      throw isOfTheDisk(thrown) ? writeError(thrown) : thrown;
    }
  };
  return Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, translated(handler)]));
}

/** Only receives, calls and answers: the SQL is in the writer, the reader and the retention. */
const handlers = {
  open(request: OpenRequest) {
    if (store === undefined) {
      store = new OpenStore({ ...request, hasFailed });
      failure = undefined;
      hasFailed = false;
    }
    return { isPartlyChecked: store.isPartlyChecked };
  },
  commit(batches: readonly WireBatch[]): CommitAnswer {
    const writing = writable();
    const { writer, chunks } = writing;
    const errors = writer.commit(batches, noteFailure);
    if (errors.some((error) => error?.code === 'STORE_FULL')) writing.useReserve();
    return { errors, sealDue: chunks.sealDue };
  },
  seal: () => writable().chunks.sealStep(),
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
    writable().writer.advance(subscriber, seq),
  bury: (request: Parameters<Writer['bury']>[0]) => writable().writer.bury(request),
  findEvents: (query: EventQuery) => movedJson(opened().events.find(query)),
  deadLetters: (request: { limit: number; subscriber: string | undefined }) =>
    movedJson(opened().events.deadLetters(request)),
  deadLetter: (id: number) => opened().events.deadLetter(id),
  countDeadLetters: () => opened().events.countDeadLetters(),
  isConsumed: (mark: ConsumedMark) => opened().events.isConsumed(mark),
  retriedDeadLetter: (request: Parameters<Writer['retriedDeadLetter']>[0]) =>
    writable().writer.retriedDeadLetter(request),
  removeDeadLetter: (id: number) => writable().writer.removeDeadLetter(id),
  alarmStates: () => movedJson(opened().reader.alarmStates()),
  document: (key: string) => opened().reader.document(key),
  documents: (prefix: string) => movedJson(opened().reader.documents(prefix)),
  outboxTake: (request: { sink: string; nowMs: number; limit: number; lane: OutboxLane | undefined }) =>
    movedRows(opened().reader.outboxTake(request)),
  outboxDone: (ids: readonly number[]) => writable().writer.outboxDone(ids),
  outboxFailed: (request: { id: number; error: string; nextAttemptMs: number }) =>
    writable().writer.outboxFailed(request),
  outboxToBacklog: (sink: string) => writable().writer.outboxToBacklog(sink),
  outboxTrim: (request: { sink: string; maxRows: number }) => writable().writer.outboxTrim(request),
  outboxKeys: (request: { sink: string; prefix: string }) => opened().reader.outboxKeys(request),
  outboxStats: () => opened().reader.outboxStats(),
  damagedFiles: () => opened().damagedFiles(),
  salvageStep: () => writable().salvageStep(),
  replace(request: ReplaceRequest) {
    try {
      opened().replace(request);
    } catch (thrown) {
      // The next call opens, and tries again.
      store = undefined;
      throw thrown;
    }
  },
  retention: ({ request, shedding }: { request: RetentionRequest; shedding: boolean }) =>
    writable().retention(request, shedding),
  close() {
    const closing = store;
    store = undefined;
    const isTrusted = failure === undefined;
    failure = undefined;
    closing?.close(isTrusted);
  },
};

serveWorker(inOurWords(handlers));
