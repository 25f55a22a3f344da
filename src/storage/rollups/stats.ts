import type { Columns } from '../codec/chunk.js';
import { EMPTY_SKETCH, mergeSketches, type Sketch, sketchOf } from './sketch.js';

/** What is kept of the readings of one bucket. Bad and missing values are counted, never averaged in. */
export interface Stats {
  /** Start of the bucket, microseconds. */
  readonly fromUs: number;
  /** Values that are not bad. */
  readonly count: number;
  /** NaN where `count` is 0, as `max`, `mean` and `last`. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Sum of the squared deviations from the mean: the sum of squares is `m2 + count · mean²`, without cancellation. */
  readonly m2: number;
  readonly last: number;
  readonly lastUs: number;
  /** Readings by quality. */
  readonly good: number;
  readonly uncertain: number;
  readonly bad: number;
  readonly sketch: Sketch;
}

/** Bins of the sketches that are built of raw values; stored ones have fewer. */
export const FULL_BINS = 64;

let kept = new Float64Array(4096);

/**
 * Stats of readings in order, one for each bucket that has some.
 * @param withSketch false where nobody asks for quantiles
 */
export function summarise(rows: Columns, widthUs: number, withSketch: boolean): Stats[] {
  const { timesUs } = rows;
  const result: Stats[] = [];
  for (let from = 0; from < timesUs.length; ) {
    const fromUs = Math.floor(timesUs[from]! / widthUs) * widthUs;
    const endUs = fromUs + widthUs;
    let to = from + 1;
    while (to < timesUs.length && timesUs[to]! < endUs) to++;
    result.push(bucket(rows, from, to, fromUs, withSketch));
    from = to;
  }
  return result;
}

function bucket(rows: Columns, from: number, to: number, fromUs: number, withSketch: boolean): Stats {
  const values = rows.doubles[0]!;
  const codes = rows.codes[0]!;
  if (kept.length < to - from) kept = new Float64Array((to - from) * 2);
  let count = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let lastRow = -1;
  let uncertain = 0;
  let bad = 0;
  for (let i = from; i < to; i++) {
    const quality = codes[i]! & 3;
    const value = values[i]!;
    if (quality === 1) uncertain++;
    else if (quality !== 0) bad++;
    // Neither NaN nor an infinity.
    if (quality > 1 || value - value !== 0) continue;
    kept[count++] = value;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
    lastRow = i;
  }
  const good = to - from - uncertain - bad;
  if (count === 0) return { ...NOTHING, fromUs, good, uncertain, bad };
  const mean = sum / count;
  let m2 = 0;
  for (let i = 0; i < count; i++) {
    const deviation = kept[i]! - mean;
    m2 += deviation * deviation;
  }
  return {
    fromUs,
    count,
    min,
    max,
    mean,
    m2,
    last: values[lastRow]!,
    lastUs: rows.timesUs[lastRow]!,
    good,
    uncertain,
    bad,
    sketch: withSketch ? sketchOf(kept.subarray(0, count).sort(), FULL_BINS) : EMPTY_SKETCH,
  };
}

const NOTHING: Omit<Stats, 'fromUs'> = {
  count: 0,
  min: Number.NaN,
  max: Number.NaN,
  mean: Number.NaN,
  m2: 0,
  last: Number.NaN,
  lastUs: 0,
  good: 0,
  uncertain: 0,
  bad: 0,
  sketch: EMPTY_SKETCH,
};

/** Stats of both together, in the bucket of `a` (Chan, Golub and LeVeque 1983). Of one time, `b` is the later one. */
export function mergeStats(a: Stats, b: Stats, maxBins = FULL_BINS): Stats {
  const good = a.good + b.good;
  const uncertain = a.uncertain + b.uncertain;
  const bad = a.bad + b.bad;
  if (b.count === 0) return { ...a, good, uncertain, bad };
  if (a.count === 0) return { ...b, fromUs: a.fromUs, good, uncertain, bad };
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  const later = b.lastUs >= a.lastUs ? b : a;
  return {
    fromUs: a.fromUs,
    count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    mean: a.mean + (delta * b.count) / count,
    m2: a.m2 + b.m2 + (delta * delta * a.count * b.count) / count,
    last: later.last,
    lastUs: later.lastUs,
    good,
    uncertain,
    bad,
    sketch: mergeSketches(a.sketch, b.sketch, maxBins),
  };
}

type Growing = { -readonly [K in keyof Stats]: Stats[K] };

/** As `mergeStats` and `widen` without sketches, but without an object for each narrow bucket: there may be 100,000. */
export class Widener {
  readonly #widthUs: number;
  readonly #wide: Growing[] = [];

  constructor(widthUs: number) {
    this.#widthUs = widthUs;
  }

  /** Narrow buckets in order, column by column; `lastUs` is counted from the start of the bucket. */
  add(
    columns: Readonly<Record<Exclude<keyof Stats, 'sketch'>, Float64Array>>,
    fromUs: number,
    toUs: number,
  ): void {
    const { count, min, max, mean, m2, last, lastUs, good, uncertain, bad } = columns;
    for (let i = 0; i < columns.fromUs.length; i++) {
      const startUs = columns.fromUs[i]!;
      if (startUs < fromUs || startUs >= toUs) continue;
      const wide = this.#at(Math.floor(startUs / this.#widthUs) * this.#widthUs);
      wide.good += good[i]!;
      wide.uncertain += uncertain[i]!;
      wide.bad += bad[i]!;
      const more = count[i]!;
      if (more === 0) continue;
      const before = wide.count;
      wide.count += more;
      const delta = before === 0 ? 0 : mean[i]! - wide.mean;
      wide.mean = before === 0 ? mean[i]! : wide.mean + (delta * more) / wide.count;
      wide.m2 += m2[i]! + (delta * delta * before * more) / wide.count;
      if (before === 0 || min[i]! < wide.min) wide.min = min[i]!;
      if (before === 0 || max[i]! > wide.max) wide.max = max[i]!;
      const us = startUs + lastUs[i]!;
      if (before > 0 && us < wide.lastUs) continue;
      wide.last = last[i]!;
      wide.lastUs = us;
    }
  }

  finish(): readonly Stats[] {
    return this.#wide;
  }

  #at(fromUs: number): Growing {
    const known = this.#wide[this.#wide.length - 1];
    if (known?.fromUs === fromUs) return known;
    const fresh: Growing = { ...NOTHING, fromUs };
    this.#wide.push(fresh);
    return fresh;
  }
}

/** Stats of narrower buckets as stats of wider ones, both in order. */
export function widen(narrow: readonly Stats[], widthUs: number): Stats[] {
  const result: Stats[] = [];
  for (const stats of narrow) {
    const fromUs = Math.floor(stats.fromUs / widthUs) * widthUs;
    const last = result[result.length - 1];
    if (last?.fromUs === fromUs) result[result.length - 1] = mergeStats(last, stats);
    else result.push({ ...stats, fromUs });
  }
  return result;
}
