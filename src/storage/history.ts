import { existsSync } from 'node:fs';
import { SmEdgeError } from '../base/errors.js';
import type { GatewayEvent } from '../events/event.js';
import type { EventQuery } from '../events/query.js';
import { ChunkStore } from './chunks/chunk-store.js';
import { EventReader } from './event-reader.js';
import { requireKnownForm } from './known-form.js';
import { Reader } from './reader.js';
import type { FeatureRow, ScoreRow } from './rows.js';
import { SqliteDatabase } from './sqlite.js';

/** Rows that are in memory at a time. */
const PAGE_ROWS = 2_000;
const EVENT_PAGE = 5_000;
/** A microsecond, the unit of stored times, in milliseconds. */
const NEXT_MS = 0.001;

/**
 * What a store holds of the past, read page by page from a process of its own while the daemon writes: one snapshot, and
 * nothing is ever written.
 */
export class StoredHistory {
  readonly #db: SqliteDatabase;
  readonly #reader: Reader;
  readonly #events: EventReader;

  private constructor(db: SqliteDatabase) {
    this.#db = db;
    this.#reader = new Reader(db, new ChunkStore(db));
    this.#events = new EventReader(db);
  }

  /** @throws SmEdgeError `STORE_MISSING`, `STORE_OLDER`, `STORE_NEWER` */
  static open(database: string): StoredHistory {
    if (!existsSync(database))
      throw new SmEdgeError('STORE_MISSING', `there is no store at ${database}`, {
        hint: 'storage.path of the config names the data folder; run as the user of the service',
      });
    const db = new SqliteDatabase(database, { readonly: true, timeout: 30_000 });
    try {
      requireKnownForm(db, database);
      // One transaction: the tail and the chunks must be of the same moment.
      db.exec('BEGIN');
      return new StoredHistory(db);
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  }

  close(): void {
    this.#db.close();
  }

  document(key: string): unknown {
    return this.#reader.document(key);
  }

  documents(prefix: string): [key: string, document: unknown][] {
    return this.#reader.documents(prefix);
  }

  points(): { name: string; unit: string }[] {
    return this.#reader.points();
  }

  /** Feature rows of a point in order of time, in pages. */
  *features(point: string, fromMs: number, toMs: number): Generator<FeatureRow[]> {
    yield* pages((from) => this.#reader.features({ point, fromMs: from, toMs, limit: PAGE_ROWS }), fromMs);
  }

  /** Scores of a point in order of time, in pages. */
  *scores(point: string, fromMs: number, toMs: number): Generator<ScoreRow[]> {
    yield* pages((from) => this.#reader.scores({ point, fromMs: from, toMs, limit: PAGE_ROWS }), fromMs);
  }

  /** Events in the order of the journal. */
  *events(query: Omit<EventQuery, 'limit' | 'afterSeq'>): Generator<GatewayEvent> {
    for (let afterSeq = 0; ; ) {
      const found = this.#events.find({ ...query, afterSeq, limit: EVENT_PAGE });
      for (const { event } of found) yield event;
      if (found.length < EVENT_PAGE) return;
      afterSeq = found.at(-1)!.seq;
    }
  }
}

function* pages<R extends { readonly timeMs: number }>(
  read: (fromMs: number) => R[],
  fromMs: number,
): Generator<R[]> {
  for (let next = fromMs; ; ) {
    const rows = read(next);
    if (rows.length === 0) return;
    yield rows;
    if (rows.length < PAGE_ROWS) return;
    next = rows.at(-1)!.timeMs + NEXT_MS;
  }
}
