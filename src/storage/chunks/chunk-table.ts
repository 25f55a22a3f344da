import { type Columns, decodeChunk, encodeChunk } from '../codec/chunk.js';
import type { SqliteDatabase } from '../sqlite.js';
import { firstUs, lastUs, rowCount } from './columns.js';
import { DAY_US } from './kinds.js';

/** What is known of a chunk without reading it. */
export interface ChunkHead {
  readonly id: number;
  readonly fromUs: number;
  /** Time of its last row: included. */
  readonly toUs: number;
  readonly count: number;
}

const HEAD = 'id, from_us AS fromUs, to_us AS toUs, count';

/** The table of chunks. Those of one series never overlap, and none goes past its UTC day. */
export class ChunkTable {
  /** Times that a chunk could not be read. */
  damaged = 0;
  readonly #sql;

  constructor(db: SqliteDatabase) {
    this.#sql = {
      insert: db.prepare(
        'INSERT INTO chunks (series_id, from_us, to_us, count, data) VALUES (?, ?, ?, ?, ?)',
      ),
      remove: db.prepare('DELETE FROM chunks WHERE id = ?'),
      data: db.prepare<[number], Uint8Array>('SELECT data FROM chunks WHERE id = ?').pluck(),
      heads: db.prepare<[number, number, number, number], ChunkHead>(
        `SELECT ${HEAD} FROM chunks INDEXED BY chunks_by_series
         WHERE series_id = ? AND to_us >= ? AND to_us < ? AND from_us < ? ORDER BY to_us`,
      ),
      oldest: db
        .prepare<[number], number>('SELECT from_us FROM chunks WHERE series_id = ? ORDER BY to_us LIMIT 1')
        .pluck(),
      last: db.prepare<[number], ChunkHead>(
        `SELECT ${HEAD} FROM chunks INDEXED BY chunks_by_series WHERE series_id = ? ORDER BY to_us DESC LIMIT 1`,
      ),
      newest: db
        .prepare<[number], number | null>('SELECT max(to_us) FROM chunks WHERE series_id = ?')
        .pluck(),
    };
  }

  insert(seriesId: number, columns: Columns): void {
    this.#sql.insert.run(
      seriesId,
      firstUs(columns),
      lastUs(columns),
      rowCount(columns),
      encodeChunk(columns),
    );
  }

  remove(id: number): void {
    this.#sql.remove.run(id);
  }

  /** The rows of a chunk; undefined where it is damaged, which costs its own rows and no others. */
  read(id: number): Columns | undefined {
    try {
      return decodeChunk(this.#sql.data.get(id) as unknown as Uint8Array);
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== 'STORE_CHUNK') throw thrown;
      this.damaged++;
      return undefined;
    }
  }

  /** Chunks with rows in `fromUs` ≤ time < `toUs`, in order; from the index alone. */
  heads(seriesId: number, fromUs: number, toUs: number): ChunkHead[] {
    // A chunk that begins before the end of the span ends less than a day behind it.
    return this.#sql.heads.all(seriesId, fromUs, toUs + DAY_US, toUs);
  }

  /** Time of the first row of the oldest chunk. */
  oldestUs(seriesId: number): number | undefined {
    return (this.#sql.oldest.get(seriesId) as unknown as number | null) ?? undefined;
  }

  /** The chunk with the newest row. */
  newest(seriesId: number): ChunkHead | undefined {
    return this.#sql.last.get(seriesId);
  }

  /** Time of the newest row that is in a chunk. */
  newestUs(seriesId: number): number | undefined {
    return (this.#sql.newest.get(seriesId) as unknown as number | null) ?? undefined;
  }
}
