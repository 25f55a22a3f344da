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

interface Shape {
  readonly low: number;
  readonly high: number;
  readonly mean: number;
  /** Longest run of equal samples, and its value. */
  readonly longestRun: number;
  readonly runValue: number;
  readonly flatTops: number;
  readonly flatBottoms: number;
  readonly atTop: number;
  readonly atBottom: number;
}

/** One pass for the extremes, one for the runs. */
function shapeOf(samples: Float32Array, limit: number | undefined): Shape {
  let low = samples[0]!;
  let high = low;
  let sum = 0;
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i]!;
    sum += value;
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  const top = limit === undefined ? high : limit * CLIP_SHARE;
  const bottom = limit === undefined ? low : -limit * CLIP_SHARE;
  let longestRun = 1;
  let runValue = samples[0]!;
  let run = 0;
  let previous = Number.NaN;
  let [flatTops, flatBottoms, atTop, atBottom, topRun, bottomRun] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i]!;
    run = value === previous ? run + 1 : 1;
    previous = value;
    if (run > longestRun) {
      longestRun = run;
      runValue = value;
    }
    topRun = value >= top ? topRun + 1 : 0;
    bottomRun = value <= bottom ? bottomRun + 1 : 0;
    if (topRun > 0) atTop++;
    if (bottomRun > 0) atBottom++;
    if (topRun === FLAT_TOP_SAMPLES) flatTops++;
    if (bottomRun === FLAT_TOP_SAMPLES) flatBottoms++;
  }
  const mean = sum / samples.length;
  return { low, high, mean, longestRun, runValue, flatTops, flatBottoms, atTop, atBottom };
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

/** The worst thing that is wrong with the samples of a block, or undefined. Pure; about 3 ns a sample. */
export function checkBlock(block: SampleBlock, rule: QualityRule): BlockFinding | undefined {
  const { samples, sampleRateHz, unit } = block;
  if (samples.length < SHORTEST_BLOCK) return undefined;
  const looksFor = (check: QualityRule['ignore'][number]) => !rule.ignore.includes(check);
  const shape = shapeOf(samples, rule.fullScale);
  const span = shape.high - shape.low;
  if (span === 0) {
    const text = `every sample is ${amount(shape.high, unit)}: is the sensor connected?`;
    return looksFor('constant') ? { quality: 'bad', reason: 'constant', text } : undefined;
  }
  const clipped = looksFor('clipping') ? clippingOf(shape, block, rule, span) : undefined;
  if (clipped?.quality === 'bad') return clipped;
  const atRail = clipped !== undefined && (shape.runValue === shape.high || shape.runValue === shape.low);
  const dropoutSamples = Math.max(SHORTEST_DROPOUT, (rule.dropout * sampleRateHz) / 1000);
  if (looksFor('dropout') && !atRail && shape.longestRun >= Math.min(dropoutSamples, samples.length / 2)) {
    const ms = Math.round((shape.longestRun * 1000) / sampleRateHz);
    const text = `${shape.longestRun} samples (${ms} ms) stand at ${amount(shape.runValue, unit)}`;
    return { quality: 'bad', reason: 'dropout', text };
  }
  if (clipped !== undefined) return clipped;
  return looksFor('dc-offset') ? offsetOf(shape, block, rule, span) : undefined;
}

function clippingOf(
  shape: Shape,
  block: SampleBlock,
  rule: QualityRule,
  span: number,
): BlockFinding | undefined {
  const { samples, unit } = block;
  const known = rule.fullScale !== undefined;
  const topClips = known ? shape.atTop > 1 : shape.flatTops >= FLAT_TOPS;
  const bottomClips = known ? shape.atBottom > 1 : shape.flatBottoms >= FLAT_TOPS;
  if (!topClips && !bottomClips) return undefined;
  // Coarse steps make flat tops too: 64 steps from top to bottom are six bits.
  if (!known && span / resolution(samples) < FEWEST_STEPS) return undefined;
  const share = ((topClips ? shape.atTop : 0) + (bottomClips ? shape.atBottom : 0)) / samples.length;
  const level = topClips ? shape.high : shape.low;
  const text = `${percent(share)} of the samples are cut off at ${amount(level, unit)}: the range of the sensor is too small`;
  return { quality: share >= BAD_CLIP_SHARE ? 'bad' : 'uncertain', reason: 'clipping', text };
}

function offsetOf(
  shape: Shape,
  { unit }: SampleBlock,
  rule: QualityRule,
  span: number,
): BlockFinding | undefined {
  const offset = Math.abs(shape.mean);
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
    text: `the mean is ${amount(shape.mean, unit)}, more than ${amount(limit, unit)}: look at the sensor's bias and scaling`,
  };
}
