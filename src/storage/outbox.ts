/**
 * What is to be sent upstream, kept on disk until the sink has taken it.
 *
 * At least once: a row is removed only by `done`, so a crash between the sink's answer and `done` sends it again.
 * `key` is the idempotency key that lets the sink recognise it, and it is unique per sink: appending a pending
 * key a second time changes nothing.
 */

/** `live` is what happened since the last successful exchange; `backlog` waits behind it. */
export type OutboxLane = 'live' | 'backlog';

export interface OutboxDraft {
  /** Id of the sink that is to take it: `mlflow`. */
  readonly sink: string;
  readonly lane: OutboxLane;
  /** What the payload is, in the sink's own words: `metrics`, `artifact`. */
  readonly kind: string;
  /** Idempotency key, unique per sink. */
  readonly key: string;
  /** A JSON document, or bytes. */
  readonly payload: OutboxPayload;
  /** Milliseconds since the Unix epoch. */
  readonly createdMs: number;
}

export type OutboxPayload = Readonly<Record<string, unknown>> | Uint8Array;

export interface OutboxRow extends OutboxDraft {
  readonly id: number;
  /** Failed attempts so far. */
  readonly attempts: number;
  /** Not to be tried before, milliseconds since the Unix epoch. */
  readonly nextAttemptMs: number;
  /** Empty while nothing failed. */
  readonly lastError: string;
}

export interface OutboxStats {
  readonly sink: string;
  readonly live: number;
  readonly backlog: number;
  readonly bytes: number;
  /** Creation of the oldest row that waits, milliseconds since the Unix epoch; undefined where none does. */
  readonly oldestMs: number | undefined;
  /** Rows removed unsent since the start because the outbox was full. */
  readonly dropped: number;
}

/** Every promise rejects with a retryable `SmEdgeError` while the disk is full or cannot be written. */
export interface Outbox {
  /** Resolves when the rows are on disk (fsync). To append in one transaction with events use `Store.publish`. */
  append(drafts: readonly OutboxDraft[]): Promise<void>;
  /**
   * The rows that may be tried now: live before backlog, oldest first within a lane; `lane` restricts it to one.
   * Takes no lease: one loop per sink.
   */
  take(sink: string, nowMs: number, limit: number, lane?: OutboxLane): Promise<readonly OutboxRow[]>;
  /** Removes rows that the sink has taken. Unknown ids are ignored. */
  done(ids: readonly number[]): Promise<void>;
  /** Counts a failed attempt and puts the row off until `nextAttemptMs`. */
  failed(id: number, error: string, nextAttemptMs: number): Promise<void>;
  /** Moves every waiting live row of a sink to the backlog, so that new ones pass them. Resolves to the number moved. */
  toBacklog(sink: string): Promise<number>;
  /** Idempotency keys of the rows of a sink that wait, of those that begin with `prefix`; at most 10,000. */
  keys(sink: string, prefix: string): Promise<readonly string[]>;
  /** One entry for each sink that has rows, or had some dropped. */
  stats(): Promise<readonly OutboxStats[]>;
}
