import type { Reading } from '#sm/signals/reading.js';
import { ChunkStore } from '#sm/storage/chunks/chunk-store.js';
import { Reader } from '#sm/storage/reader.js';
import type { ScoreRow } from '#sm/storage/rows.js';
import { SqliteDatabase } from '#sm/storage/sqlite.js';

const ALWAYS = {
  fromMs: Number.NEGATIVE_INFINITY,
  toMs: Number.POSITIVE_INFINITY,
  limit: Number.MAX_SAFE_INTEGER,
};

/** A change of an alarm, as it was journaled. */
export interface AlarmEvent {
  readonly type: string;
  readonly point: string;
  readonly time: string;
  readonly from: string;
  readonly to: string;
}

/** What a daemon has on its disk, read beside it while it writes. */
export class Stored {
  readonly db: SqliteDatabase;
  readonly #chunks: ChunkStore;
  readonly #reader: Reader;

  constructor(file: string) {
    this.db = new SqliteDatabase(file, { readonly: true });
    this.#chunks = new ChunkStore(this.db);
    this.#reader = new Reader(this.db, this.#chunks);
  }

  /** The readings of all points. */
  readings(): Reading[] {
    this.#chunks.reload();
    return this.#reader.points().flatMap(({ name }) => this.#reader.readings({ ...ALWAYS, point: name }));
  }

  scores(point: string): ScoreRow[] {
    this.#chunks.reload();
    return this.#reader.scores({ ...ALWAYS, point });
  }

  /** Changes of alarms in the order of the journal. */
  alarmEvents(): AlarmEvent[] {
    const rows = this.db
      .prepare("SELECT type, payload FROM events WHERE type LIKE 'Alarm%' ORDER BY seq")
      .all() as { type: string; payload: string }[];
    return rows.map(({ type, payload }) => ({ ...JSON.parse(payload), type }));
  }

  /** State of each point that has one alarm. */
  alarmStates(): Map<string, string> {
    const documents = this.db.prepare('SELECT document FROM alarm_states').pluck().all() as string[];
    return new Map(
      documents
        .map((document): { point: string; state: string } => JSON.parse(document))
        .map(({ point, state }) => [point, state]),
    );
  }

  close(): void {
    this.db.close();
  }
}
