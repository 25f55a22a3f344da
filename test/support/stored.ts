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

  close(): void {
    this.db.close();
  }
}
