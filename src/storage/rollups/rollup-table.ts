import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter } from '../codec/bytes.js';
import { type Columns, decodeChunk, encodeChunk } from '../codec/chunk.js';
import type { SqliteDatabase } from '../sqlite.js';
import { LEVELS, type Level, slotOf } from './levels.js';
import { EMPTY_SKETCH, readSketch, reduced, type Sketch, writeSketch } from './sketch.js';
import { mergeStats, type Stats, summarise, Widener, widen } from './stats.js';

interface RollupRecord {
  readonly stats: Uint8Array;
  readonly sketches: Uint8Array;
}

const MAX_SKETCH_BYTES = 16 * 2 ** 20;
const sketchBytes = new ByteWriter(16 * 1024);

/** The continuous aggregates on disk: a row has the buckets of one slot, their figures and apart their sketches. */
export class RollupTable {
  readonly #sql;
  /** Times that a row could not be read. */
  damaged = 0;

  constructor(db: SqliteDatabase) {
    this.#sql = {
      row: db.prepare<[number, number, number], RollupRecord>(
        'SELECT stats, sketches FROM rollups WHERE series_id = ? AND level = ? AND slot = ?',
      ),
      figures: db.prepare<[number, number, number, number], Pick<RollupRecord, 'stats'>>(
        'SELECT stats FROM rollups WHERE series_id = ? AND level = ? AND slot BETWEEN ? AND ? ORDER BY slot',
      ),
      all: db.prepare<[number, number, number, number], RollupRecord>(
        'SELECT stats, sketches FROM rollups WHERE series_id = ? AND level = ? AND slot BETWEEN ? AND ? ORDER BY slot',
      ),
      // Not REPLACE: it puts the row to the end and leaves a hole where it was, in a page that is never filled again.
      put: db.prepare(
        `INSERT INTO rollups (series_id, level, slot, stats, sketches) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET stats = excluded.stats, sketches = excluded.sketches`,
      ),
      oldest: db.prepare<[number, number], Pick<RollupRecord, 'stats'>>(
        'SELECT stats FROM rollups WHERE series_id = ? AND level = ? ORDER BY slot LIMIT 1',
      ),
    };
  }

  /** Adds readings that were not there before, in order, to every level; in a transaction. */
  add(seriesId: number, rows: Columns): void {
    let stats = summarise(rows, LEVELS[0].widthUs, true);
    for (const level of LEVELS) {
      if (level.number > 0) stats = widen(stats, level.widthUs);
      for (let from = 0; from < stats.length; ) {
        const slot = slotOf(level, stats[from]!.fromUs);
        let to = from + 1;
        while (to < stats.length && slotOf(level, stats[to]!.fromUs) === slot) to++;
        this.#addToSlot(seriesId, level, slot, stats.slice(from, to));
        from = to;
      }
    }
  }

  /** Stats of every bucket with `fromUs` ≤ start < `toUs`, in order. */
  read(seriesId: number, level: Level, fromUs: number, toUs: number, withSketches: boolean): Stats[] {
    const statement = withSketches ? this.#sql.all : this.#sql.figures;
    return statement
      .all(seriesId, level.number, slotOf(level, fromUs), slotOf(level, toUs))
      .flatMap((record) => this.#decoded(record))
      .filter((stats) => stats.fromUs >= fromUs && stats.fromUs < toUs);
  }

  /** The same in buckets of a width, without sketches. */
  readWide(seriesId: number, level: Level, fromUs: number, toUs: number, widthUs: number): readonly Stats[] {
    const widener = new Widener(widthUs);
    const records = this.#sql.figures.all(seriesId, level.number, slotOf(level, fromUs), slotOf(level, toUs));
    for (const { stats } of records) {
      try {
        widener.add(figureColumns(stats), fromUs, toUs);
      } catch {
        this.damaged++;
      }
    }
    return widener.finish();
  }

  /** Start of the oldest bucket of a level; undefined where there is none. */
  oldestUs(seriesId: number, level: Level): number | undefined {
    const oldest = this.#sql.oldest.get(seriesId, level.number);
    return oldest === undefined ? undefined : this.#decoded(oldest)[0]?.fromUs;
  }

  #addToSlot(seriesId: number, level: Level, slot: number, fresh: readonly Stats[]): void {
    const known = this.#sql.row.get(seriesId, level.number, slot);
    const byStart = new Map(
      (known === undefined ? [] : this.#decoded(known)).map((stats) => [stats.fromUs, stats]),
    );
    for (const stats of fresh) {
      const old = byStart.get(stats.fromUs);
      const merged = old === undefined ? stats : mergeStats(old, stats, level.bins);
      byStart.set(stats.fromUs, { ...merged, sketch: reduced(merged.sketch, level.bins) });
    }
    const all = [...byStart.values()].sort((a, b) => a.fromUs - b.fromUs);
    this.#sql.put.run(seriesId, level.number, slot, encodeFigures(all), encodeSketches(all));
  }

  #decoded(record: Pick<RollupRecord, 'stats'> & Partial<RollupRecord>): Stats[] {
    try {
      const figures = decodeFigures(record.stats);
      if (record.sketches === undefined) return figures;
      const sketches = decodeSketches(record.sketches, figures.length);
      return figures.map((stats, index) => ({ ...stats, sketch: sketches[index]! }));
    } catch {
      this.damaged++;
      return [];
    }
  }
}

const FIELDS = ['count', 'min', 'max', 'mean', 'm2', 'last', 'lastUs', 'good', 'uncertain', 'bad'] as const;

function encodeFigures(stats: readonly Stats[]): Uint8Array {
  return encodeChunk({
    timesUs: Float64Array.from(stats, ({ fromUs }) => fromUs),
    doubles: FIELDS.map((field) =>
      Float64Array.from(stats, (one) => (field === 'lastUs' ? one.lastUs - one.fromUs : one[field])),
    ),
    codes: [],
    texts: [],
  });
}

function figureColumns(bytes: Uint8Array) {
  const { timesUs, doubles } = decodeChunk(bytes);
  const [count, min, max, mean, m2, last, lastUs, good, uncertain, bad] = doubles as Float64Array[];
  return {
    fromUs: timesUs,
    count: count!,
    min: min!,
    max: max!,
    mean: mean!,
    m2: m2!,
    last: last!,
    lastUs: lastUs!,
    good: good!,
    uncertain: uncertain!,
    bad: bad!,
  };
}

function decodeFigures(bytes: Uint8Array): Stats[] {
  const { fromUs: starts, ...figures } = figureColumns(bytes);
  return Array.from(starts, (fromUs, i) => ({
    fromUs,
    count: figures.count[i]!,
    min: figures.min[i]!,
    max: figures.max[i]!,
    mean: figures.mean[i]!,
    m2: figures.m2[i]!,
    last: figures.last[i]!,
    lastUs: figures.lastUs[i]! + fromUs,
    good: figures.good[i]!,
    uncertain: figures.uncertain[i]!,
    bad: figures.bad[i]!,
    sketch: EMPTY_SKETCH,
  }));
}

function encodeSketches(stats: readonly Stats[]): Uint8Array {
  sketchBytes.truncate(0);
  for (const { sketch } of stats) writeSketch(sketchBytes, sketch);
  return deflateRawSync(sketchBytes.finish(), { level: 1 });
}

function decodeSketches(bytes: Uint8Array, count: number): Sketch[] {
  const input = new ByteReader(inflateRawSync(bytes, { maxOutputLength: MAX_SKETCH_BYTES }));
  return Array.from({ length: count }, () => readSketch(input));
}
