import type { LineSpectrum } from './line-spectrum.js';

/** The speed of the shaft as the signal itself tells it. */
export interface ShaftSpeed {
  readonly declaredHz: number;
  readonly shaftHz: number;
  /** Whether the lines of the shaft name this speed and no other one. */
  readonly certain: boolean;
  /** Weight of the lines at whole orders for a speed, to compare speeds by. */
  readonly evidenceAt: (shaftHz: number) => number;
}

/** How far the true speed may be off: a nameplate that is 7 % low leaves it 7.5 % above the declared one. */
export const SPEED_RANGE = 0.078;
/** Steps of the search, share: finer than the resolution of ten orders over 400 turns. */
const STEP = 0.0002;
const STEPS = Math.round(SPEED_RANGE / STEP);
/** What each speed weighs, during one search: the search runs for every block, and allocates nothing for it. */
const WEIGHTS = new Float64Array(2 * STEPS + 1);
/** A line counts from this ratio to its floor on; none counts for more than this, the first order twice that. */
const LEAST_RATIO = 2.5;
const MAX_WEIGHT = 3;
/** Bins to each side in which a line must be the highest, so that its skirts do not count for it. */
const SKIRT_BINS = 3;
/** Evidence that a certain speed has at least, and by how much it beats every other speed. */
const CERTAIN_WEIGHT = 6;
const CERTAIN_FACTOR = 1.3;
const CERTAIN_LEAD = 4;
/** A weaker comb will do where no other speed has a third of it, if it is not all one and the same order. */
const CERTAIN_ALONE_WEIGHT = 4;
const CERTAIN_ALONE_FACTOR = 3;
const LEAST_ORDER_WEIGHT = 0.3;
/** Share of the weight on the multiples of one order from which the comb is that order's, not the shaft's. */
const MULTIPLE_SHARE = 0.75;
/** Weight on the other orders that proves the shaft's own turning all the same. */
const LEAST_REST = 2;
/** Speeds nearer than this to the best are the same speed, share. */
const SAME_SPEED = 0.006;

/** A spectrum that may show the shaft, and how many of its orders are looked at there. */
export interface SpeedSpectrum {
  readonly spectrum: LineSpectrum;
  readonly orders: number;
}

/** Finds the speed within ±7 % of the declared one whose whole orders stand out most in all spectra together. */
export function findShaftSpeed(spectra: readonly SpeedSpectrum[], declaredHz: number): ShaftSpeed {
  const evidenceAt = (shaftHz: number) => {
    let weight = 0;
    for (const { spectrum, orders } of spectra)
      for (let order = 1; order <= orders; order++) weight += orderWeight(spectrum, shaftHz, order);
    return weight;
  };
  const speedAt = (i: number) => declaredHz * (1 + (i - STEPS) * STEP);
  const weights = WEIGHTS;
  let best = STEPS;
  for (let i = 0; i < weights.length; i++) weights[i] = evidenceAt(speedAt(i));
  // Of equal speeds the one nearest to the nameplate.
  for (let i = 0; i < weights.length; i++) {
    const nearer = Math.abs(i - STEPS) < Math.abs(best - STEPS);
    if (weights[i]! > weights[best]! || (weights[i] === weights[best] && nearer)) best = i;
  }
  let second = 0;
  for (let i = 0; i < weights.length; i++) {
    if (Math.abs(i - best) * STEP > SAME_SPEED) second = Math.max(second, weights[i]!);
  }
  const weight = weights[best]!;
  const clear =
    weight >= CERTAIN_WEIGHT && (weight >= CERTAIN_FACTOR * second || weight >= second + CERTAIN_LEAD);
  const alone = weight >= CERTAIN_ALONE_WEIGHT && weight >= CERTAIN_ALONE_FACTOR * second;
  const seen = orderWeights(spectra, speedAt(best));
  const certain =
    (clear || (alone && seen.filter((each) => each >= LEAST_ORDER_WEIGHT).length >= 2)) && !isMultiple(seen);
  return { declaredHz, shaftHz: weight > 0 ? speedAt(best) : declaredHz, certain, evidenceAt };
}

/** What each whole order weighs in all spectra together, the first one first. */
function orderWeights(spectra: readonly SpeedSpectrum[], shaftHz: number): number[] {
  const most = Math.max(...spectra.map(({ orders }) => orders));
  return Array.from({ length: most }, (_, i) =>
    spectra.reduce(
      (sum, { spectrum, orders }) => (i < orders ? sum + orderWeight(spectrum, shaftHz, i + 1) : sum),
      0,
    ),
  );
}

/**
 * Whether nearly all lines lie on multiples of one order: then they are harmonics of something else, such as a bearing
 * whose fault frequency is near four turns, and tell nothing of the shaft.
 */
function isMultiple(weights: readonly number[]): boolean {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let step = 2; step <= weights.length; step++) {
    let sum = 0;
    for (let order = step; order <= weights.length; order += step) sum += weights[order - 1]!;
    if (sum > MULTIPLE_SHARE * total && total - sum < LEAST_REST) return true;
  }
  return false;
}

function orderWeight({ amplitude, floor, binHz }: LineSpectrum, shaftHz: number, order: number): number {
  const bin = Math.round((order * shaftHz) / binHz);
  if (bin + SKIRT_BINS >= amplitude.length) return 0;
  const value = amplitude[bin]!;
  if (!(value > LEAST_RATIO * floor[bin]!)) return 0;
  let highest = value;
  for (let k = Math.max(1, bin - SKIRT_BINS); k <= bin + SKIRT_BINS; k++)
    highest = Math.max(highest, amplitude[k]!);
  const most = order === 1 ? 2 * MAX_WEIGHT : MAX_WEIGHT;
  return Math.min(most, Math.log(value / floor[bin]! / LEAST_RATIO)) * (value / highest) ** 2;
}
