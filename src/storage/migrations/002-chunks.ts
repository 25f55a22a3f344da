import { ChunkTable } from '../chunks/chunk-table.js';
import { qualityCode } from '../chunks/kinds.js';
import { mergeIntoChunks } from '../chunks/merger.js';
import { type Series, SeriesTable } from '../chunks/series.js';
import type { Columns } from '../codec/chunk.js';
import { RollupTable } from '../rollups/rollup-table.js';
import { qualityOf } from '../rows.js';
import type { SqliteDatabase } from '../sqlite.js';

/** Rows read at a time, so that a year of readings need not be in memory. */
const PAGE = 20_000;
/** In form 1, added to the quality of a reading that has no value. */
const NO_VALUE = 4;

/**
 * From rows to chunks: readings, features and scores become series, each in compressed chunks. A reading takes the
 * unit that its point has now, which is all that form 1 knew.
 */
export function chunks(db: SqliteDatabase): void {
  db.exec(`
    -- detail: the unit of readings, the names of features, model and version of scores.
    CREATE TABLE series (
      id INTEGER PRIMARY KEY, point_id INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL,
      UNIQUE (point_id, kind, detail)
    ) STRICT;

    -- from_us and to_us are the times of the first and the last row; data is codec/chunk.ts.
    CREATE TABLE chunks (
      id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
      count INTEGER NOT NULL, data BLOB NOT NULL
    ) STRICT;
    CREATE INDEX chunks_by_series ON chunks (series_id, to_us, from_us, count);

    -- The newest rows, a row for each commit; series_id 0 is readings of many series.
    CREATE TABLE tail (id INTEGER PRIMARY KEY AUTOINCREMENT, series_id INTEGER NOT NULL, data BLOB NOT NULL) STRICT;

    -- level: 0 minutes, 1 hours, 2 days; slot: which hour, day or 32 days the row covers, counted since 1970.
    CREATE TABLE rollups (
      series_id INTEGER NOT NULL, level INTEGER NOT NULL, slot INTEGER NOT NULL, stats BLOB NOT NULL,
      sketches BLOB NOT NULL, PRIMARY KEY (series_id, level, slot)
    ) STRICT;
  `);
  const series = new SeriesTable(db);
  const table = new ChunkTable(db);
  const put = (point: string, kind: 'readings' | 'features' | 'scores', detail: string, rows: Columns) =>
    merge(series.ensure(point, kind, detail), rows);
  const rollups = new RollupTable(db);
  const merge = (one: Series, rows: Columns) => {
    const added = mergeIntoChunks(table, one, rows);
    if (one.kind === 'readings' && added.timesUs.length > 0) rollups.add(one.id, added);
  };
  const points = db
    .prepare<[], { id: number; name: string; unit: string }>('SELECT id, name, unit FROM points ORDER BY id')
    .all();
  for (const point of points) {
    moveReadings(db, point.id, (rows) => put(point.name, 'readings', point.unit, rows));
    moveFeatures(db, point.id, (names, rows) => put(point.name, 'features', names, rows));
    moveScores(db, point.id, (model, rows) => put(point.name, 'scores', model, rows));
  }
  db.exec(
    'DROP TABLE readings; DROP TABLE features; DROP TABLE feature_names; DROP TABLE scores; DROP TABLE models;',
  );
}

interface OldReading {
  readonly time_us: number;
  readonly value: number;
  readonly quality: number;
  readonly reason: string | null;
}

function moveReadings(db: SqliteDatabase, pointId: number, put: (rows: Columns) => void): void {
  const page = db.prepare<[number, number, number], OldReading>(
    `SELECT time_us, value, quality, reason FROM readings
     WHERE point_id = ? AND (time_us, value) > (?, ?) ORDER BY time_us, value LIMIT ${PAGE}`,
  );
  for (let after: [number, number] = [-8.64e18, 0]; ; ) {
    const rows = page.all(pointId, ...after);
    if (rows.length === 0) return;
    put({
      timesUs: Float64Array.from(rows, (row) => row.time_us),
      doubles: [Float64Array.from(rows, (row) => ((row.quality & NO_VALUE) === 0 ? row.value : Number.NaN))],
      codes: [Uint8Array.from(rows, (row) => qualityCode(qualityOf(row.quality & 3), row.reason))],
      texts: [],
    });
    const last = rows[rows.length - 1]!;
    after = [last.time_us, last.value];
  }
}

interface OldFeatures {
  readonly time_us: number;
  readonly duration_us: number;
  readonly values: Uint8Array;
}

function moveFeatures(
  db: SqliteDatabase,
  pointId: number,
  put: (names: string, rows: Columns) => void,
): void {
  const lists = db.prepare<[], { id: number; names: string }>('SELECT id, names FROM feature_names').all();
  const page = db.prepare<[number, number, number], OldFeatures>(
    `SELECT time_us, duration_us, "values" FROM features
     WHERE point_id = ? AND names_id = ? AND time_us > ? ORDER BY time_us LIMIT 500`,
  );
  for (const { id, names } of lists) {
    const width = (JSON.parse(names) as string[]).length;
    for (let after = -8.64e18; ; ) {
      const rows = page.all(pointId, id, after);
      if (rows.length === 0) break;
      const values = rows.map((row) => new Float64Array(Uint8Array.from(row.values).buffer));
      put(names, {
        timesUs: Float64Array.from(rows, (row) => row.time_us),
        doubles: [
          Float64Array.from(rows, (row) => row.duration_us),
          ...Array.from({ length: width }, (_, column) =>
            Float64Array.from(values, (row) => row[column] ?? Number.NaN),
          ),
        ],
        codes: [],
        texts: [],
      });
      after = rows[rows.length - 1]!.time_us;
    }
  }
}

interface OldScore {
  readonly time_us: number;
  readonly score: number;
  readonly threshold: number;
  readonly anomalous: number;
  readonly fallback: string | null;
  readonly correlation_id: string;
}

function moveScores(db: SqliteDatabase, pointId: number, put: (model: string, rows: Columns) => void): void {
  const models = db
    .prepare<[], { id: number; name: string; version: string }>('SELECT id, name, version FROM models')
    .all();
  const page = db.prepare<[number, number, number], OldScore>(
    `SELECT time_us, score, threshold, anomalous, fallback, correlation_id FROM scores
     WHERE point_id = ? AND model_id = ? AND time_us > ? ORDER BY time_us LIMIT ${PAGE}`,
  );
  for (const { id, name, version } of models) {
    for (let after = -8.64e18; ; ) {
      const rows = page.all(pointId, id, after);
      if (rows.length === 0) break;
      put(JSON.stringify([name, version]), {
        timesUs: Float64Array.from(rows, (row) => row.time_us),
        doubles: [
          Float64Array.from(rows, (row) => row.score),
          Float64Array.from(rows, (row) => row.threshold),
        ],
        codes: [Uint8Array.from(rows, (row) => row.anomalous)],
        texts: [rows.map((row) => row.fallback), rows.map((row) => row.correlation_id)],
      });
      after = rows[rows.length - 1]!.time_us;
    }
  }
}
