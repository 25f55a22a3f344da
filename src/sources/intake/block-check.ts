import type { Quality, QualityReason } from '../../signals/quality.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { QualityRule } from './config.js';

/** What is wrong with a block. */
export interface BlockFinding {
  readonly quality: Quality;
  readonly reason: QualityReason;
  /** For the technician: what was seen, with numbers. */
  readonly text: string;
}

/** A shorter block shows too little to be judged, samples. */
const SHORTEST_BLOCK = 32;
/** So many samples in a row that do not change are no accident of coarse steps. */
const SHORTEST_DROPOUT = 16;
/** This near to full scale a sample counts as clipped: converters have an offset. */
const CLIP_SHARE = 0.999;
/** Runs of samples at the same extreme that make a flat top, and how many of them make clipping. */
const FLAT_TOP_SAMPLES = 3;
const FLAT_TOPS = 2;
/** A signal of fewer steps than this between its extremes has flat tops by nature. */
const FEWEST_STEPS = 64;
/** Where more of the samples than this are at full scale the signal says nothing any more. */
const BAD_CLIP_SHARE = 0.2;
/** A gross offset: the mean lies this many peak-to-peak values off zero … */
const GROSS_OFFSET_SPANS = 5;
/** … and takes up this share of a full scale that is known … */
const GROSS_OFFSET_SHARE = 0.5;
/** … and it is not just gravity, by which a MEMS sensor is always off: up to 1.2 g. */
const GRAVITY: Readonly<Record<string, number>> = {
  g: 1.2,
  mg: 1200,
  'm/s²': 11.8,
  'm/s2': 11.8,
  'm/s^2': 11.8,
};

interface Extremes {
  readonly low: number;
  readonly high: number;
  readonly mean: number;
}

/** Four sums and four pairs of extremes: one of each would wait for itself at every sample. */
function extremesOf(samples: Float32Array): Extremes {
  const first = samples[0]!;
  let [low0, low1, low2, low3] = [first, first, first, first];
  let [high0, high1, high2, high3] = [first, first, first, first];
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
  const end = samples.length - (samples.length % 4);
  for (let i = 0; i < end; i += 4) {
    const a = samples[i]!;
    const b = samples[i + 1]!;
    const c = samples[i + 2]!;
    const d = samples[i + 3]!;
    sum0 += a;
    sum1 += b;
    sum2 += c;
    sum3 += d;
    if (a < low0) low0 = a;
    if (a > high0) high0 = a;
    if (b < low1) low1 = b;
    if (b > high1) high1 = b;
    if (c < low2) low2 = c;
    if (c > high2) high2 = c;
    if (d < low3) low3 = d;
    if (d > high3) high3 = d;
  }
  for (let i = end; i < samples.length; i++) {
    const value = samples[i]!;
    sum0 += value;
    if (value < low0) low0 = value;
    if (value > high0) high0 = value;
  }
  return {
    low: Math.min(low0, low1, low2, low3),
    high: Math.max(high0, high1, high2, high3),
    mean: (sum0 + sum1 + sum2 + sum3) / samples.length,
  };
}

interface Run {
  readonly length: number;
  readonly value: number;
}

/** The longest run of equal samples; undefined where none has `SHORTEST_DROPOUT` of them, which is seen at a glance. */
function longestRun(samples: Float32Array): Run | undefined {
  let possible = false;
  // A run of 16 holds a multiple of 8 and its successor.
  for (let i = 0; i + 1 < samples.length && !possible; i += SHORTEST_DROPOUT / 2)
    possible = samples[i] === samples[i + 1];
  if (!possible) return undefined;
  let length = 1;
  let value = samples[0]!;
  let from = 0;
  for (let i = 1; i <= samples.length; i++) {
    if (samples[i] === samples[from]) continue;
    if (i - from > length) {
      length = i - from;
      value = samples[from]!;
    }
    from = i;
  }
  return length < SHORTEST_DROPOUT ? undefined : { length, value };
}

interface Rail {
  /** Samples at this end of the range. */
  readonly samples: number;
  /** Runs of `FLAT_TOP_SAMPLES` of them and more. */
  readonly flats: number;
}

const NO_RAIL: Rail = { samples: 0, flats: 0 };

/** Samples at or beyond `level`, on the upper side (`sign` 1) or the lower one (-1). */
function railOf(samples: Float32Array, level: number, sign: 1 | -1): Rail {
  let count = 0;
  let flats = 0;
  let run = 0;
  for (let i = 0; i < samples.length; i++) {
    if (sign * (samples[i]! - level) < 0) {
      run = 0;
      continue;
    }
    count++;
    if (++run === FLAT_TOP_SAMPLES) flats++;
  }
  return { samples: count, flats };
}

/** Whether there can be `FLAT_TOPS` runs of `FLAT_TOP_SAMPLES` at an extreme: each holds a multiple of that number. */
function mayBeFlat(samples: Float32Array, extreme: number): boolean {
  let seen = 0;
  for (let i = 0; i < samples.length; i += FLAT_TOP_SAMPLES) if (samples[i] === extreme) seen++;
  return seen >= FLAT_TOPS;
}

/** Smallest step between two samples that differ, looked for in the first of them: the converter's resolution. */
function resolution(samples: Float32Array): number {
  let smallest = Number.POSITIVE_INFINITY;
  const end = Math.min(samples.length, 1024);
  for (let i = 1; i < end; i++) {
    const step = Math.abs(samples[i]! - samples[i - 1]!);
    if (step > 0 && step < smallest) smallest = step;
  }
  return smallest;
}

const percent = (share: number): string => `${(100 * share).toPrecision(2)} %`;
const amount = (value: number, unit: string): string => `${Number(value.toPrecision(3))} ${unit}`;

/** The worst thing that is wrong with the samples of a block, or undefined. Pure; about 2 ns a sample where all is well. */
export function checkBlock(block: SampleBlock, rule: QualityRule): BlockFinding | undefined {
  const { samples, sampleRateHz, unit } = block;
  if (samples.length < SHORTEST_BLOCK) return undefined;
  const looksFor = (check: QualityRule['ignore'][number]) => !rule.ignore.includes(check);
  const extremes = extremesOf(samples);
  const span = extremes.high - extremes.low;
  if (span === 0) {
    const text = `every sample is ${amount(extremes.high, unit)}: is the sensor connected?`;
    return looksFor('constant') ? { quality: 'bad', reason: 'constant', text } : undefined;
  }
  const clipped = looksFor('clipping') ? clippingOf(extremes, block, rule, span) : undefined;
  if (clipped?.quality === 'bad') return clipped;
  const run = looksFor('dropout') ? longestRun(samples) : undefined;
  if (run !== undefined) {
    const atRail = clipped !== undefined && (run.value === extremes.high || run.value === extremes.low);
    const dropoutSamples = Math.max(SHORTEST_DROPOUT, (rule.dropout * sampleRateHz) / 1000);
    if (!atRail && run.length >= Math.min(dropoutSamples, samples.length / 2)) {
      const ms = Math.round((run.length * 1000) / sampleRateHz);
      const text = `${run.length} samples (${ms} ms) stand at ${amount(run.value, unit)}`;
      return { quality: 'bad', reason: 'dropout', text };
    }
  }
  if (clipped !== undefined) return clipped;
  return looksFor('dc-offset') ? offsetOf(extremes, block, rule, span) : undefined;
}

function clippingOf(
  { low, high }: Extremes,
  block: SampleBlock,
  rule: QualityRule,
  span: number,
): BlockFinding | undefined {
  const { samples, unit } = block;
  const { fullScale } = rule;
  const known = fullScale !== undefined;
  const limit = known ? fullScale * CLIP_SHARE : undefined;
  const top = railAt(samples, high, limit, 1);
  const bottom = railAt(samples, low, limit === undefined ? undefined : -limit, -1);
  const topClips = known ? top.samples > 1 : top.flats >= FLAT_TOPS;
  const bottomClips = known ? bottom.samples > 1 : bottom.flats >= FLAT_TOPS;
  if (!topClips && !bottomClips) return undefined;
  // Coarse steps make flat tops too: 64 steps from top to bottom are six bits.
  if (!known && span / resolution(samples) < FEWEST_STEPS) return undefined;
  const share = ((topClips ? top.samples : 0) + (bottomClips ? bottom.samples : 0)) / samples.length;
  const level = topClips ? high : low;
  const text = `${percent(share)} of the samples are cut off at ${amount(level, unit)}: the range of the sensor is too small`;
  return { quality: share >= BAD_CLIP_SHARE ? 'bad' : 'uncertain', reason: 'clipping', text };
}

/** @param limit full scale on this side where it is known; the extreme of the block stands for it where not */
function railAt(samples: Float32Array, extreme: number, limit: number | undefined, sign: 1 | -1): Rail {
  if (limit === undefined) return mayBeFlat(samples, extreme) ? railOf(samples, extreme, sign) : NO_RAIL;
  return sign * (extreme - limit) < 0 ? NO_RAIL : railOf(samples, limit, sign);
}

function offsetOf(
  { mean }: Extremes,
  { unit }: SampleBlock,
  rule: QualityRule,
  span: number,
): BlockFinding | undefined {
  const offset = Math.abs(mean);
  const limit =
    rule.dcOffset ??
    Math.max(
      GRAVITY[unit] ?? 0,
      rule.fullScale === undefined ? GROSS_OFFSET_SPANS * span : GROSS_OFFSET_SHARE * rule.fullScale,
    );
  if (offset <= limit) return undefined;
  return {
    quality: 'uncertain',
    reason: 'dc-offset',
    text: `the mean is ${amount(mean, unit)}, more than ${amount(limit, unit)}: look at the sensor's bias and scaling`,
  };
}
