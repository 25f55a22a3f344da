import type { ChunkStore } from '../chunks/chunk-store.js';
import { between, rowCount } from '../chunks/columns.js';
import { DAY_US } from '../chunks/kinds.js';
import { clampedUs, tailNotInChunks } from '../chunks/queries.js';
import type { Series } from '../chunks/series.js';
import { LEVELS, type Level } from './levels.js';
import { quantile } from './sketch.js';
import { mergeStats, type Stats, summarise, widen } from './stats.js';

export interface AggregateRequest {
  readonly point: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  /** About as many buckets; at most this and one. */
  readonly buckets: number;
  /** Width of a bucket, milliseconds, in place of what `buckets` of the span come to; wider where a level is. */
  readonly widthMs?: number;
  /** Shares between 0 and 1: `[0.5, 0.95]`. */
  readonly quantiles?: readonly number[];
}

/**
 * Readings of a point in one unit, by bucket; those without a reading are left out. All arrays are equally long.
 * Buckets are whole and begin at multiples of their width since 1970, so the first may begin before `fromMs`.
 */
export interface Aggregates {
  readonly unit: string;
  /** Of what the answer was made. */
  readonly level: 'raw' | Level['name'];
  readonly widthMs: number;
  readonly startsMs: Float64Array;
  /** Values that are not bad. Where there are none, the figures are NaN. */
  readonly counts: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly mean: Float64Array;
  readonly sumOfSquares: Float64Array;
  readonly standardDeviation: Float64Array;
  readonly last: Float64Array;
  /** Readings by quality. */
  readonly good: Float64Array;
  readonly uncertain: Float64Array;
  readonly bad: Float64Array;
  /** One for each that was asked for. */
  readonly quantiles: readonly Float64Array[];
}

/** A level is taken where rounding the width up to whole buckets of it makes the answer no coarser than this. */
const MOST_ROUNDING = 1.1;
/** Up to here raw readings are decoded where no level fits. */
const MAX_RAW = 1_500_000;
const MAX_BUCKETS = 10_000;

/** Aggregates of a point, one for each unit that it had in the span. The level is chosen by the width of a bucket. */
export function aggregate(store: ChunkStore, request: AggregateRequest): Aggregates[] {
  const { point, quantiles = [] } = request;
  const fromUs = clampedUs(request.fromMs);
  const toUs = clampedUs(request.toMs);
  const buckets = Math.max(1, Math.min(MAX_BUCKETS, Math.floor(request.buckets)));
  return store.series
    .ofPoint(point, 'readings')
    .map((series) => ofSeries(store, series, fromUs, toUs, buckets, quantiles, request.widthMs))
    .filter(({ startsMs }) => startsMs.length > 0);
}

function ofSeries(
  store: ChunkStore,
  series: Series,
  fromUs: number,
  toUs: number,
  buckets: number,
  quantiles: readonly number[],
  widthMs: number | undefined,
): Aggregates {
  const withSketches = quantiles.length > 0;
  // "Everything" begins with the first reading and ends with the last.
  const span = store.span(series.id);
  const startUs = Math.max(fromUs, span.fromUs);
  const endUs = Math.min(toUs, span.toUs + 1);
  // Whole milliseconds, so that the edges can be told exactly.
  const least = Math.max(1_000, (widthMs ?? Math.ceil((endUs - startUs) / buckets / 1_000)) * 1_000);
  const level = levelFor(store, series.id, startUs, endUs, least);
  const widthUs = level === undefined ? least : Math.ceil(least / level.widthUs) * level.widthUs;
  const alignedUs = Math.floor(startUs / widthUs) * widthUs;
  const alignedEndUs = Math.ceil(endUs / widthUs) * widthUs;
  const sealed =
    level === undefined
      ? rawStats(store, series.id, alignedUs, alignedEndUs, widthUs, withSketches)
      : withSketches
        ? widen(store.rollups.read(series.id, level, alignedUs, alignedEndUs, true), widthUs)
        : store.rollups.readWide(series.id, level, alignedUs, alignedEndUs, widthUs);
  const tail = between(tailNotInChunks(store, series), alignedUs, alignedEndUs);
  const fresh = rowCount(tail) === 0 ? [] : summarise(tail, widthUs, withSketches);
  const all = merged(sealed, fresh);
  return answer(series.detail, level?.name ?? 'raw', widthUs, all, quantiles);
}

/** The coarsest level that answers about as finely as asked; undefined: from raw readings. */
function levelFor(
  store: ChunkStore,
  seriesId: number,
  fromUs: number,
  toUs: number,
  leastUs: number,
): Level | undefined {
  const fitting = LEVELS.filter(
    ({ widthUs }) => widthUs * Math.ceil(leastUs / widthUs) <= leastUs * MOST_ROUNDING,
  );
  const level = fitting.at(-1);
  if (level !== undefined && isKept(store, seriesId, level, fromUs)) return level;
  const heads = store.table.heads(seriesId, fromUs, toUs);
  const rows = heads.reduce((sum, { count }) => sum + count, 0);
  const rawIsKept = isRawKept(store, seriesId, fromUs);
  if (rawIsKept && rows <= MAX_RAW) return undefined;
  // What is still there: the finest that reaches back as far, however coarse.
  const rounded = LEVELS.filter(({ widthUs }) => !rawIsKept || widthUs <= leastUs);
  return rounded.find((one) => isKept(store, seriesId, one, fromUs)) ?? (rawIsKept ? undefined : LEVELS[2]);
}

/** Whether a level reaches back to a time as far as the coarsest one does, which is kept longest. */
const isKept = (store: ChunkStore, seriesId: number, level: Level, fromUs: number): boolean =>
  reachesBack(store, seriesId, store.rollups.oldestUs(seriesId, level), fromUs);

const isRawKept = (store: ChunkStore, seriesId: number, fromUs: number): boolean =>
  reachesBack(store, seriesId, store.table.oldestUs(seriesId), fromUs);

function reachesBack(
  store: ChunkStore,
  seriesId: number,
  oldestUs: number | undefined,
  fromUs: number,
): boolean {
  const oldestDayUs = store.rollups.oldestUs(seriesId, LEVELS[2]);
  if (oldestDayUs === undefined) return true;
  return oldestUs !== undefined && oldestUs < Math.max(fromUs, oldestDayUs) + DAY_US;
}

function rawStats(
  store: ChunkStore,
  seriesId: number,
  fromUs: number,
  toUs: number,
  widthUs: number,
  withSketches: boolean,
): Stats[] {
  const parts = store.table.heads(seriesId, fromUs, toUs).flatMap(({ id }) => {
    const rows = store.table.read(id);
    return rows === undefined ? [] : summarise(between(rows, fromUs, toUs), widthUs, withSketches);
  });
  return widen(parts, widthUs);
}

/** Two lists in order as one. */
function merged(sealed: readonly Stats[], fresh: readonly Stats[]): Stats[] {
  if (fresh.length === 0) return [...sealed];
  const byStart = new Map(sealed.map((stats) => [stats.fromUs, stats]));
  for (const stats of fresh) {
    const old = byStart.get(stats.fromUs);
    byStart.set(stats.fromUs, old === undefined ? stats : mergeStats(old, stats));
  }
  return [...byStart.values()].sort((a, b) => a.fromUs - b.fromUs);
}

function answer(
  unit: string,
  level: Aggregates['level'],
  widthUs: number,
  all: readonly Stats[],
  quantiles: readonly number[],
): Aggregates {
  const column = (of: (stats: Stats) => number) => Float64Array.from(all, of);
  return {
    unit,
    level,
    widthMs: widthUs / 1000,
    startsMs: column(({ fromUs }) => fromUs / 1000),
    counts: column(({ count }) => count),
    min: column(({ min }) => min),
    max: column(({ max }) => max),
    mean: column(({ mean }) => mean),
    sumOfSquares: column(({ m2, count, mean }) => (count === 0 ? 0 : m2 + count * mean * mean)),
    standardDeviation: column(({ m2, count }) => (count === 0 ? Number.NaN : Math.sqrt(m2 / count))),
    last: column(({ last }) => last),
    good: column(({ good }) => good),
    uncertain: column(({ uncertain }) => uncertain),
    bad: column(({ bad }) => bad),
    quantiles: quantiles.map((q) => column(({ sketch, min, max }) => quantile(sketch, q, min, max))),
  };
}
