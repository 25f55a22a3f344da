import type { ByteReader, ByteWriter } from '../codec/bytes.js';

/**
 * A quantile sketch: a histogram whose bins are as wide as a power of two, the smallest with which no more than
 * `maxBins` of them have values in them. It adapts to the spread of the values, wherever that lies, and an outlier
 * costs one bin. Bins halve exactly, so the sketch of a set is the same whatever parts it was merged from (the uniform
 * collapse of UDDSketch, Epicoco et al. 2020, on equal widths).
 */
export interface Sketch {
  /** A bin is 2^exponent wide: bin i has the values from i·2^exponent to below (i+1)·2^exponent. */
  readonly exponent: number;
  /** In order. */
  readonly bins: readonly number[];
  readonly counts: readonly number[];
}

export const EMPTY_SKETCH: Sketch = { exponent: -1000, bins: [], counts: [] };

/** Bins are no narrower than this share of the largest value, so that their numbers stay small. */
const FINEST = 30;
const LEAST_EXPONENT = -1000;
const MOST_EXPONENT = 1023;

/** @param sorted finite values in order */
export function sketchOf(sorted: Float64Array, maxBins: number): Sketch {
  if (sorted.length === 0) return EMPTY_SKETCH;
  const largest = Math.max(Math.abs(sorted[0]!), Math.abs(sorted[sorted.length - 1]!));
  let low = largest === 0 ? LEAST_EXPONENT : Math.max(LEAST_EXPONENT, exponentOf(largest) - FINEST);
  let high = MOST_EXPONENT;
  if (binsAt(sorted, low, maxBins) <= maxBins) high = low;
  // The width with which the whole span takes `maxBins` bins is wide enough: a bound that is near.
  const span = sorted[sorted.length - 1]! - sorted[0]!;
  if (high > low && span > 0 && Number.isFinite(span))
    high = Math.max(low + 1, Math.min(high, exponentOf(span / maxBins) + 2));
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (binsAt(sorted, middle, maxBins) <= maxBins) high = middle;
    else low = middle + 1;
  }
  const width = 2 ** low;
  const bins: number[] = [];
  const counts: number[] = [];
  for (const value of sorted) {
    const bin = binOf(value, width);
    if (bin === bins[bins.length - 1]) counts[counts.length - 1]!++;
    else {
      bins.push(bin);
      counts.push(1);
    }
  }
  return { exponent: low, bins, counts };
}

/** The sketch of both sets together. */
export function mergeSketches(a: Sketch, b: Sketch, maxBins: number): Sketch {
  if (b.bins.length === 0) return coarsened(a, a.exponent, maxBins);
  if (a.bins.length === 0) return coarsened(b, b.exponent, maxBins);
  const exponent = Math.max(a.exponent, b.exponent);
  const [one, other] = [shifted(a, exponent), shifted(b, exponent)];
  const bins: number[] = [];
  const counts: number[] = [];
  for (let i = 0, j = 0; i < one.bins.length || j < other.bins.length; ) {
    const left = one.bins[i] ?? Number.POSITIVE_INFINITY;
    const right = other.bins[j] ?? Number.POSITIVE_INFINITY;
    bins.push(Math.min(left, right));
    counts.push((left <= right ? one.counts[i++]! : 0) + (right <= left ? other.counts[j++]! : 0));
  }
  return coarsened({ exponent, bins, counts }, exponent, maxBins);
}

/** The same values in no more than `maxBins` bins. */
export const reduced = (sketch: Sketch, maxBins: number): Sketch =>
  coarsened(sketch, sketch.exponent, maxBins);

/** The value below which a share `q` of the values lies, to within the width of a bin. */
export function quantile({ exponent, bins, counts }: Sketch, q: number, min: number, max: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return Number.NaN;
  const rank = q * (total - 1);
  const width = 2 ** exponent;
  let before = 0;
  for (const [index, count] of counts.entries()) {
    if (rank < before + count || index === counts.length - 1) {
      const within = count === 1 ? 0.5 : (rank - before + 0.5) / count;
      return Math.min(max, Math.max(min, (bins[index]! + within) * width));
    }
    before += count;
  }
  return max;
}

export function writeSketch(out: ByteWriter, { exponent, bins, counts }: Sketch): void {
  out.varint(bins.length);
  if (bins.length === 0) return;
  out.varint(exponent - LEAST_EXPONENT);
  out.signed(bins[0]!);
  for (let i = 1; i < bins.length; i++) out.varint(bins[i]! - bins[i - 1]! - 1);
  for (const count of counts) out.varint(count);
}

export function readSketch(input: ByteReader): Sketch {
  const length = input.varint();
  if (length === 0) return EMPTY_SKETCH;
  if (length > input.left) throw new RangeError(`a sketch of ${length} bins`);
  const exponent = input.varint() + LEAST_EXPONENT;
  const bins = [input.signed()];
  for (let i = 1; i < length; i++) bins.push(bins[i - 1]! + 1 + input.varint());
  const counts = Array.from({ length }, () => input.varint());
  return { exponent, bins, counts };
}

function coarsened(sketch: Sketch, exponent: number, maxBins: number): Sketch {
  const { bins } = sketch;
  let low = exponent;
  if (distinctAfter(bins, low - sketch.exponent, maxBins) <= maxBins) return shifted(sketch, low);
  // As wide as their span, they are two at most.
  let high = sketch.exponent + Math.ceil(Math.log2(bins[bins.length - 1]! - bins[0]! + 1)) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (distinctAfter(bins, middle - sketch.exponent, maxBins) <= maxBins) high = middle;
    else low = middle + 1;
  }
  return shifted(sketch, low);
}

/** Bins that are left when they are 2^shift times as wide; counts no further than one more than `enough`. */
function distinctAfter(bins: readonly number[], shift: number, enough: number): number {
  if (shift === 0) return bins.length;
  const factor = 2 ** shift;
  let distinct = 0;
  let last = Number.NaN;
  for (const fine of bins) {
    const bin = binOf(fine, factor);
    if (bin === last) continue;
    last = bin;
    if (++distinct > enough) break;
  }
  return distinct;
}

function shifted(sketch: Sketch, exponent: number): Sketch {
  if (exponent === sketch.exponent) return sketch;
  const factor = 2 ** (exponent - sketch.exponent);
  const bins: number[] = [];
  const counts: number[] = [];
  for (const [index, fine] of sketch.bins.entries()) {
    const bin = binOf(fine, factor);
    if (bin === bins[bins.length - 1]) counts[counts.length - 1]! += sketch.counts[index]!;
    else {
      bins.push(bin);
      counts.push(sketch.counts[index]!);
    }
  }
  return { exponent, bins, counts };
}

/** A negative number that is nothing beside the width is in the bin below 0 all the same. */
const binOf = (value: number, width: number): number =>
  value < 0 ? Math.min(-1, Math.floor(value / width)) : Math.floor(value / width) + 0;

/** Bins with values in them; counts no further than one more than `enough`. */
function binsAt(sorted: Float64Array, exponent: number, enough: number): number {
  const width = 2 ** exponent;
  let bins = 0;
  let last = Number.NaN;
  for (let i = 0; i < sorted.length; i++) {
    const bin = binOf(sorted[i]!, width);
    if (bin === last) continue;
    last = bin;
    if (++bins > enough) return bins;
  }
  return bins;
}

const words = new Uint32Array(2);
const double = new Float64Array(words.buffer);

/** Exponent of the power of two at or below a positive number. */
function exponentOf(value: number): number {
  double[0] = value;
  return ((words[1]! >>> 20) & 0x7ff) - 1023;
}
