import { gaussian, type Random } from '../../base/random.js';
import type { FeatureVector } from '../score.js';
import type { Scaler } from './scaler.js';

/**
 * Faults injected into rows of a healthy machine, so that detectors can be compared before anything has failed. They
 * are what faults do to features: everything louder, a bearing that becomes impulsive and loud at high frequencies, unbalance at
 * low ones, a few unrelated features off, and one feature that no longer goes with the others.
 */
export type Injection = (row: FeatureVector, random: Random) => FeatureVector;

const LEVEL = /^(rms|peak|peakToPeak|velocityRmsMmPerS|displacementPeakToPeakUm|band\.|order\.)/;
const DECIBELS = /^(levelDb|mel\.)/;
const LOW = /^(rms|velocityRmsMmPerS|displacementPeakToPeakUm|order\.1x|band\.10-100)/;
const HIGH = /^(band\.(1000|2500|5000|10000)-|peak|bpf|bsf)/;
const IMPULSIVE = /^(kurtosis|crestFactor|impulseFactor|clearanceFactor)/;

/** 5 dB. */
const LOUDER = 1.78;
/** Robust standard deviations of a feature that is off. */
const OFF = 4;

/** @param scaler tells what is much for a feature whose name says nothing */
export function injectionsFor(scaler: Scaler, healthy: readonly FeatureVector[]): Injection[] {
  const { features } = scaler;
  const has = (pattern: RegExp) => features.some((name) => pattern.test(name));
  const injections: Injection[] = [shiftSome(scaler), strange(features, healthy)];
  if (has(LEVEL) || has(DECIBELS)) injections.push((row) => amplify(row, LEVEL, LOUDER));
  if (has(HIGH) && has(IMPULSIVE))
    injections.push((row) => amplify(amplify(row, HIGH, LOUDER), IMPULSIVE, 1.3));
  if (has(LOW)) injections.push((row) => amplify(row, LOW, 1.5));
  return injections;
}

function amplify(row: FeatureVector, which: RegExp, factor: number): FeatureVector {
  const decibels = which === LEVEL ? 20 * Math.log10(factor) : 0;
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (decibels > 0 && DECIBELS.test(name)) return [name, value + decibels];
      return [name, which.test(name) ? value * factor : value];
    }),
  );
}

/** A few features, drawn anew each time, off by four standard deviations in one direction each. */
function shiftSome({ features, log, scales }: Scaler): Injection {
  const count = Math.max(1, Math.round(features.length / 8));
  return (row, random) => {
    const shifted: Record<string, number> = { ...row };
    for (let i = 0; i < count; i++) {
      const j = Math.floor(random() * features.length);
      const name = features[j]!;
      const by = Math.sign(gaussian(random)) * OFF * scales[j]!;
      shifted[name] = log[j] ? row[name]! * Math.exp(by) : row[name]! + by;
    }
    return shifted;
  };
}

/** One half of the features as at another time: each usual by itself, together not. */
function strange(features: readonly string[], healthy: readonly FeatureVector[]): Injection {
  return (row, random) => {
    const other = healthy[Math.floor(random() * healthy.length)]!;
    return Object.fromEntries(features.map((name) => [name, random() < 0.5 ? other[name]! : row[name]!]));
  };
}
