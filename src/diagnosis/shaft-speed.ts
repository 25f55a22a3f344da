import type { LineSpectrum } from './line-spectrum.js';
import type { MachineSpectra } from './machine-spectra.js';

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
const VIBRATION_ORDERS = 10;
const ENVELOPE_ORDERS = 8;
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
/** Speeds nearer than this to the best are the same speed, share. */
const SAME_SPEED = 0.006;

/** Finds the speed within ±7 % of the declared one whose whole orders stand out most in vibration and envelope. */
export function findShaftSpeed(spectra: MachineSpectra, declaredHz: number): ShaftSpeed {
  const evidenceAt = (shaftHz: number) =>
    combWeight(spectra.vibration, shaftHz, VIBRATION_ORDERS) +
    combWeight(spectra.envelope, shaftHz, ENVELOPE_ORDERS);
  const steps = Math.round(SPEED_RANGE / STEP);
  const speeds = Array.from({ length: 2 * steps + 1 }, (_, i) => declaredHz * (1 + (i - steps) * STEP));
  const weights = speeds.map(evidenceAt);
  let best = steps;
  // Of equal speeds the one nearest to the nameplate.
  for (let i = 0; i < speeds.length; i++) {
    const nearer = Math.abs(i - steps) < Math.abs(best - steps);
    if (weights[i]! > weights[best]! || (weights[i] === weights[best] && nearer)) best = i;
  }
  let second = 0;
  for (let i = 0; i < speeds.length; i++) {
    if (Math.abs(i - best) * STEP > SAME_SPEED) second = Math.max(second, weights[i]!);
  }
  const weight = weights[best]!;
  const clear =
    weight >= CERTAIN_WEIGHT && (weight >= CERTAIN_FACTOR * second || weight >= second + CERTAIN_LEAD);
  const alone = weight >= CERTAIN_ALONE_WEIGHT && weight >= CERTAIN_ALONE_FACTOR * second;
  const certain = clear || (alone && ordersSeen(spectra, speeds[best]!) >= 2);
  return { declaredHz, shaftHz: weight > 0 ? speeds[best]! : declaredHz, certain, evidenceAt };
}

/** Whole orders that stand out in the vibration or in its envelope. */
function ordersSeen({ vibration, envelope }: MachineSpectra, shaftHz: number): number {
  let seen = 0;
  for (let order = 1; order <= VIBRATION_ORDERS; order++) {
    const weight = orderWeight(vibration, shaftHz, order) + orderWeight(envelope, shaftHz, order);
    if (weight >= LEAST_ORDER_WEIGHT) seen++;
  }
  return seen;
}

function combWeight(spectrum: LineSpectrum, shaftHz: number, orders: number): number {
  let weight = 0;
  for (let order = 1; order <= orders; order++) weight += orderWeight(spectrum, shaftHz, order);
  return weight;
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

/** Whether a frequency lies on a whole order of the shaft as near as the spectrum can tell. */
export function onShaftOrder(spectrum: LineSpectrum, frequencyHz: number, shaftHz: number): boolean {
  const order = frequencyHz / shaftHz;
  return Math.abs(order - Math.round(order)) * shaftHz < 1.6 * spectrum.binHz;
}
