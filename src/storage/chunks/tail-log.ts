import { type Columns, decodeChunk, encodeChunk } from '../codec/chunk.js';
import type { SqliteDatabase } from '../sqlite.js';
import { slice } from './columns.js';
import type { RowBuffer } from './row-buffer.js';

/** Stands in the log in place of a series: readings of many series, whose ids are the first column. */
const MIXED = 0;
const PAGE = 200;
/** Rows of the log hold no more than this, so that a damaged page costs no more. */
const MAX_ROWS = 4_096;

interface TailRecord {
  readonly id: number;
  readonly series_id: number;
  readonly data: Uint8Array;
}

/** Readings of many series, row by row. */
export class MixedReadings {
  readonly #rows: { seriesId: number; timeUs: number; value: number; code: number }[] = [];

  get count(): number {
    return this.#rows.length;
  }

  push(seriesId: number, timeUs: number, value: number, code: number): void {
    this.#rows.push({ seriesId, timeUs, value, code });
  }

  columns(): Columns {
    return {
      timesUs: Float64Array.from(this.#rows, ({ timeUs }) => timeUs),
      doubles: [
        Float64Array.from(this.#rows, ({ seriesId }) => seriesId),
        Float64Array.from(this.#rows, ({ value }) => value),
      ],
      codes: [Uint8Array.from(this.#rows, ({ code }) => code)],
      texts: [],
    };
  }

  appendTo(bufferOf: (seriesId: number) => RowBuffer | undefined): void {
    for (const { seriesId, timeUs, value, code } of this.#rows)
      bufferOf(seriesId)?.appendReading(timeUs, value, code);
  }
}

/**
 * The newest rows on disk, in the order in which they came: a row of the table for each commit, so that a commit
 * writes one page and not one for every series. What is in the log is in memory too, and is read from there.
 */
export class TailLog {
  readonly #db: SqliteDatabase;
  readonly #insert;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    this.#insert = db.prepare('INSERT INTO tail (series_id, data) VALUES (?, ?)');
  }

  append(seriesId: number, columns: Columns): void {
    this.#insert.run(seriesId, encodeChunk(columns));
  }

  appendMixed(readings: MixedReadings): void {
    if (readings.count === 0) return;
    const columns = readings.columns();
    for (let from = 0; from < readings.count; from += MAX_ROWS)
      this.append(MIXED, slice(columns, from, Math.min(from + MAX_ROWS, readings.count)));
  }

  /** Id of the newest row, 0 where there is none. */
  head(): number {
    return Number(this.#db.prepare('SELECT coalesce(max(id), 0) FROM tail').pluck().get());
  }

  removeTo(id: number): void {
    this.#db.prepare('DELETE FROM tail WHERE id <= ?').run(id);
  }

  /**
   * Reads the whole log, oldest first. A row that cannot be read is left out and handed to `onDamage`.
   * @param bufferOf where the rows of a series go
   */
  load(bufferOf: (seriesId: number) => RowBuffer | undefined, onDamage: (id: number) => void): void {
    const page = this.#db.prepare<[number], TailRecord>(
      `SELECT id, series_id, data FROM tail WHERE id > ? ORDER BY id LIMIT ${PAGE}`,
    );
    for (let after = 0; ; ) {
      const records = page.all(after);
      for (const { id, series_id: seriesId, data } of records) {
        try {
          restore(seriesId, decodeChunk(data), bufferOf);
        } catch {
          onDamage(id);
        }
        after = id;
      }
      if (records.length < PAGE) return;
    }
  }
}

function restore(
  seriesId: number,
  columns: Columns,
  bufferOf: (seriesId: number) => RowBuffer | undefined,
): void {
  if (seriesId !== MIXED) {
    bufferOf(seriesId)?.append(columns);
    return;
  }
  const [ids, values] = columns.doubles;
  for (let i = 0; i < columns.timesUs.length; i++)
    bufferOf(ids![i]!)?.appendReading(columns.timesUs[i]!, values![i]!, columns.codes[0]![i]!);
}
