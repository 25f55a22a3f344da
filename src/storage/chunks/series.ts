import type { SqliteDatabase } from '../sqlite.js';
import { type SeriesKind, type Shape, shapeOf } from './kinds.js';

export interface Series {
  readonly id: number;
  readonly point: string;
  readonly kind: SeriesKind;
  /** See `shapeOf`. */
  readonly detail: string;
  readonly shape: Shape;
}

interface SeriesRecord {
  readonly id: number;
  readonly point: string;
  readonly kind: SeriesKind;
  readonly detail: string;
}

/** Series kept in memory; a flood of new names must not fill it. */
const MAX_CACHED = 20_000;

/**
 * The series of a store: what a point delivered of one kind under one detail. A point whose unit changes in the config
 * has another series from then on, so what was stored before keeps the unit that it was measured in.
 */
export class SeriesTable {
  readonly #db: SqliteDatabase;
  readonly #byKey = new Map<string, Series>();
  readonly #byId = new Map<number, Series>();
  /** By kind, then by point: no key is made of both for each of a thousand points. */
  readonly #ofPoint: Readonly<Record<SeriesKind, Map<string, readonly Series[]>>> = {
    readings: new Map(),
    features: new Map(),
    scores: new Map(),
  };
  readonly #points = new Map<string, { id: number; unit: string }>();

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /** The series, made where there is none; to be called in a transaction. */
  ensure(point: string, kind: SeriesKind, detail: string): Series {
    const key = `${kind}\n${detail}\n${point}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    this.#ofPoint[kind].delete(point);
    const pointId = this.pointId(point, kind === 'readings' ? detail : '');
    const id = Number(
      this.#db
        .prepare(
          `INSERT INTO series (point_id, kind, detail) VALUES (?, ?, ?)
           ON CONFLICT (point_id, kind, detail) DO UPDATE SET kind = kind RETURNING id`,
        )
        .pluck()
        .get(pointId, kind, detail),
    );
    return this.#cache({ id, point, kind, detail });
  }

  /** The id of a point, made where there is none; a unit that is not empty becomes the point's present one. */
  pointId(name: string, unit = ''): number {
    const known = this.#points.get(name);
    if (known !== undefined && (unit === '' || known.unit === unit)) return known.id;
    const row = this.#db
      .prepare<[string, string], { id: number; unit: string }>(
        `INSERT INTO points (name, unit) VALUES (?, ?)
         ON CONFLICT (name) DO UPDATE SET unit = iif(excluded.unit = '', unit, excluded.unit) RETURNING id, unit`,
      )
      .get(name, unit)!;
    if (this.#points.size >= MAX_CACHED) this.#points.clear();
    this.#points.set(name, row);
    return row.id;
  }

  byId(id: number): Series | undefined {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const record = this.#db
      .prepare<[number], SeriesRecord>(
        `SELECT s.id, p.name AS point, s.kind, s.detail FROM series s JOIN points p ON p.id = s.point_id WHERE s.id = ?`,
      )
      .get(id);
    return record === undefined ? undefined : this.#cache(record);
  }

  /** Every series of a point of one kind, oldest first. */
  ofPoint(point: string, kind: SeriesKind): readonly Series[] {
    const ofKind = this.#ofPoint[kind];
    const known = ofKind.get(point);
    if (known !== undefined) return known;
    const found = this.#db
      .prepare<[string, string], SeriesRecord>(
        `SELECT s.id, p.name AS point, s.kind, s.detail FROM series s JOIN points p ON p.id = s.point_id
         WHERE p.name = ? AND s.kind = ? ORDER BY s.id`,
      )
      .all(point, kind)
      .map((record) => this.#byId.get(record.id) ?? this.#cache(record));
    if (ofKind.size >= MAX_CACHED) ofKind.clear();
    // A point that is asked for before it is there, or by mistake, is not worth remembering.
    if (found.length > 0) ofKind.set(point, found);
    return found;
  }

  ids(kind: SeriesKind): number[] {
    return this.#db.prepare('SELECT id FROM series WHERE kind = ?').pluck().all(kind) as number[];
  }

  /** After a rollback: ids that were given out in it are not in the file. */
  forget(): void {
    this.#byKey.clear();
    this.#byId.clear();
    this.#points.clear();
    for (const ofKind of Object.values(this.#ofPoint)) ofKind.clear();
  }

  #cache(record: SeriesRecord): Series {
    const series = { ...record, shape: shapeOf(record.kind, record.detail) };
    if (this.#byId.size >= MAX_CACHED) {
      this.#byId.clear();
      this.#byKey.clear();
    }
    this.#byId.set(series.id, series);
    this.#byKey.set(`${series.kind}\n${series.detail}\n${series.point}`, series);
    return series;
  }
}
