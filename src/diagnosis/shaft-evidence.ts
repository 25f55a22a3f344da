import { type LineSpectrum, lineNear } from '../features/line-spectrum.js';
import { type ShaftSpeed, SPEED_RANGE } from '../features/shaft-speed.js';
import { type AnalysisSpec, isSound } from '../features/spec.js';
import { vibrationUnit } from '../features/units.js';
import type { Evidence, Fault } from './diagnosis.js';

/** What the whole orders of the shaft say, as velocity: that is what ISO 20816 grades and where low orders count. */
export interface ShaftEvidence {
  readonly fault: Extract<Fault, 'unbalance' | 'misalignment' | 'looseness'>;
  /** 0 to 1. */
  readonly confidence: number;
  readonly lines: readonly Evidence[];
}

/** Share of the mean square velocity, 10-1000 Hz, that one order must carry to be called the cause of the vibration. */
const DOMINANT_SHARE = 0.25;
/** 2x over 1x from which a shaft is called misaligned (ISO 13373-3, annex: above 0.75 it is likely). */
const SECOND_OVER_FIRST = 0.75;
/** Unbalance makes one pulse a turn: 2x stays well below 1x. */
const SECOND_OF_UNBALANCE = 0.5;
/** A line that stands this far over its floor is there. */
const CLEAR_RATIO = 5;
/** Harmonics and half orders that looseness shows, at least. */
const LOOSE_ORDERS = 6;
const LOOSE_HALF_ORDERS = 3;
/** Velocity below which a machine runs well whatever its pattern, mm/s RMS: the scale of ISO 10816-1 begins there. */
const QUIET_MM_PER_S = 0.28;
/** Misalignment and looseness are called only from here on, mm/s RMS (zone A of small machines ends at 0.71). */
const NOTICEABLE_MM_PER_S = 0.71;
const ORDERS = 10;
/** Share of the mean square velocity from which a line near the declared speed is the shaft's, though it stands alone. */
const LONE_SHARE = 0.6;
/** ISO 20816-1: from 10 Hz on, from 2 Hz below 600 rpm. */
const LOW_HZ = 10;
const LOW_HZ_SLOW = 2;
const SLOW_HZ = 10;
const HIGH_HZ = 1000;

interface VelocityLine {
  readonly order: number;
  readonly frequencyHz: number;
  /** mm/s RMS. */
  readonly velocity: number;
  readonly ratio: number;
}

/**
 * The fault that the shaft's orders show, if they show one, in a known unit. Without a certain speed only unbalance can be
 * told: where one line within reach of the declared speed is nearly all of the vibration, it is the shaft's own.
 */
export function shaftEvidence(
  vibration: LineSpectrum,
  speed: ShaftSpeed,
  spec: AnalysisSpec,
): ShaftEvidence | undefined {
  const unit = vibrationUnit(spec.unit);
  if (unit === undefined || isSound(spec)) return undefined;
  const shaftHz = speed.certain ? speed.shaftHz : strongestNear(vibration, speed.declaredHz);
  const exponent = { acceleration: -1, velocity: 0, displacement: 1 }[unit.kind];
  const toVelocity = (amplitude: number, hz: number) =>
    (amplitude / Math.SQRT2) * (2 * Math.PI * hz) ** exponent * unit.toSi * 1e3;
  const lineAt = (order: number): VelocityLine => {
    const { frequencyHz, ratio } = lineNear(vibration, order * shaftHz);
    const amplitude = lineAmplitude(vibration, frequencyHz);
    return { order, frequencyHz, ratio, velocity: ratio > 0 ? toVelocity(amplitude, frequencyHz) : 0 };
  };
  const orders = Array.from({ length: ORDERS }, (_, i) => lineAt(i + 1));
  const total = Math.sqrt(overallMeanSquare(vibration, toVelocity, shaftHz < SLOW_HZ ? LOW_HZ_SLOW : LOW_HZ));
  const describe = (line: VelocityLine): Evidence => ({
    feature: `order.${line.order}x`,
    frequencyHz: line.frequencyHz,
    orders: line.order,
    value: line.velocity,
    ratio: line.ratio,
  });
  if (!(total > 0)) return undefined;
  const halves = [0.5, 1.5, 2.5, 3.5].map(lineAt).filter((line) => line.ratio >= CLEAR_RATIO);
  const clear = orders.filter((line) => line.ratio >= CLEAR_RATIO);
  const share = (line: VelocityLine) => (line.velocity / total) ** 2;
  const [first, second] = [orders[0]!, orders[1]!];
  const strongest = orders.reduce((top, next) => (next.velocity > top.velocity ? next : top));
  const isUnbalance =
    strongest === first &&
    first.ratio >= CLEAR_RATIO &&
    second.velocity < SECOND_OF_UNBALANCE * first.velocity &&
    first.velocity ** 2 >= orders.slice(1).reduce((sum, { velocity }) => sum + velocity ** 2, 0);
  if (!speed.certain) {
    return isUnbalance && first.velocity >= NOTICEABLE_MM_PER_S && share(first) >= LONE_SHARE
      ? { fault: 'unbalance', confidence: 0.7 * share(first) ** 0.25, lines: [describe(first)] }
      : undefined;
  }
  if (total >= NOTICEABLE_MM_PER_S && clear.length >= LOOSE_ORDERS && halves.length >= LOOSE_HALF_ORDERS) {
    const confidence = Math.min(0.9, (clear.length + halves.length) / 16);
    return { fault: 'looseness', confidence, lines: [...halves, ...clear].map(describe) };
  }
  if (
    total >= NOTICEABLE_MM_PER_S &&
    second.ratio >= CLEAR_RATIO &&
    second.velocity >= SECOND_OVER_FIRST * first.velocity &&
    strongest === second &&
    share(second) >= DOMINANT_SHARE
  ) {
    return {
      fault: 'misalignment',
      confidence: share(second) ** 0.25 * 0.9,
      lines: [second, first].map(describe),
    };
  }
  if (isUnbalance && first.velocity >= QUIET_MM_PER_S && share(first) >= DOMINANT_SHARE) {
    // Most sound rotors have a little of it.
    const severity = total < NOTICEABLE_MM_PER_S ? 0.5 : 0.9;
    return { fault: 'unbalance', confidence: share(first) ** 0.25 * severity, lines: [describe(first)] };
  }
  return undefined;
}

/** Frequency of the strongest line within reach of the declared speed. */
function strongestNear({ amplitude, binHz }: LineSpectrum, declaredHz: number): number {
  const last = Math.min(amplitude.length - 1, Math.floor((declaredHz * (1 + SPEED_RANGE)) / binHz));
  let best = Math.max(1, Math.ceil((declaredHz * (1 - SPEED_RANGE)) / binHz));
  for (let k = best; k <= last; k++) if (amplitude[k]! > amplitude[best]!) best = k;
  return best * binHz;
}

/** Amplitude of the sine at a frequency: power summed over the Hann window's main lobe, over its noise bandwidth. */
function lineAmplitude({ amplitude, binHz }: LineSpectrum, frequencyHz: number): number {
  const bin = Math.round(frequencyHz / binHz);
  let sum = 0;
  for (let k = Math.max(1, bin - 2); k <= Math.min(amplitude.length - 1, bin + 2); k++)
    sum += amplitude[k]! ** 2;
  return Math.sqrt(sum);
}

/** Mean square of the velocity up to 1 kHz. */
function overallMeanSquare(
  { amplitude, binHz }: LineSpectrum,
  toVelocity: (amplitude: number, hz: number) => number,
  lowHz: number,
): number {
  let sum = 0;
  const last = Math.min(amplitude.length - 1, Math.floor(HIGH_HZ / binHz));
  for (let k = Math.max(1, Math.ceil(lowHz / binHz)); k <= last; k++)
    sum += toVelocity(amplitude[k]!, k * binHz) ** 2;
  return sum;
}
