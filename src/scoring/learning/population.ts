import { SmEdgeError } from '../../base/errors.js';
import { medianOf } from '../../base/median.js';
import type { FeatureVector } from '../score.js';
import type { Detector } from './detectors/detector.js';
import { fitMahalanobis as fit } from './detectors/quadratic.js';
import { commonFeatures } from './scaler.js';
import { studentQuantile } from './student-t.js';

/**
 * What healthy recordings of a point have in common, and how far another one may lie from them. Two witnesses are asked: the
 * Mahalanobis distance of all features, and the level alone, since a machine that is simply louder disappears among
 * forty features that are not. Their limits come from healthy recordings that were held out of the fit, one fold after the
 * other, by Student's t on the logarithm: no label and no faulty recording has a say.
 */
export interface Population {
  readonly model: Detector;
  /** Distance that a healthy recording exceeds with the stated probability. */
  readonly distanceLimit: number;
  /** Undefined where the level is to be ignored. */
  readonly level: { readonly center: number; readonly limit: number } | undefined;
}

export interface PopulationOptions {
  /** Per healthy recording. */
  readonly falseAlarmProbability: number;
  /** Judge by what does not depend on the level: sensors of unknown gain, microphones at another distance. */
  readonly ignoreLevel: boolean;
}

export const POPULATION_OPTIONS: PopulationOptions = { falseAlarmProbability: 1e-3, ignoreLevel: false };

/** Deviations over their limits: above 1 is anomalous. */
export interface PopulationVerdict {
  readonly distance: number;
  readonly level: number;
  /** The larger of the two. */
  readonly score: number;
}

/** Healthy windows below which nothing is learned. */
export const LEAST_WINDOWS = 3;
/** Fewer healthy recordings than this, and their windows are the folds. */
const FEW_RECORDINGS = 4;
const MOST_FOLDS = 20;
const LEAST_DEGREES = 4;
/** Least standard deviation of the logarithm of a distance, and of a level (5 %). */
const LEAST_DISTANCE_SPREAD = 0.1;
/** The same where the folds are windows of few recordings, which are more alike than recordings are. */
const LEAST_SPREAD_OF_FEW = 0.2;
const LEAST_LEVEL_SPREAD = 0.05;
/** What stays the same when a signal is amplified. */
const SCALE_FREE =
  /^(crestFactor|kurtosis|skewness|shapeFactor|impulseFactor|clearanceFactor|spectral|mfcc\.[1-9]|bpfo|bpfi|bsf|ftf)/;

/** @param healthy windows of each healthy recording */
export function fitPopulation(
  healthy: readonly (readonly FeatureVector[])[],
  options: PopulationOptions = POPULATION_OPTIONS,
): Population {
  const rows = healthy.flat();
  if (rows.length < LEAST_WINDOWS)
    throw new SmEdgeError('TRAINING_TOO_FEW', `${rows.length} healthy windows are too few to learn from`, {
      hint: 'Record the healthy machine for longer, at least three windows; thirty are better.',
    });
  const features = featuresOf(rows, options);
  const folds = foldsOf(healthy);
  const distances = folds.map((fold, i) =>
    logDistance(fitDistance(folds.filter((_, j) => j !== i).flat(), features), fold),
  );
  const { falseAlarmProbability } = options;
  const distance = predictionLimit(
    distances,
    healthy.length < FEW_RECORDINGS ? LEAST_SPREAD_OF_FEW : LEAST_DISTANCE_SPREAD,
    falseAlarmProbability,
  );
  const levels = options.ignoreLevel ? [] : folds.map(logLevel).filter(Number.isFinite);
  const level =
    levels.length < 2 ? undefined : predictionLimit(levels, LEAST_LEVEL_SPREAD, falseAlarmProbability);
  return {
    model: fitDistance(rows, features),
    distanceLimit: Math.exp(distance.center + distance.reach),
    level: level === undefined ? undefined : { center: level.center, limit: level.reach },
  };
}

/** Judges the windows of one recording together: by their median, so that one knock from outside is no fault. */
export function judge(population: Population, windows: readonly FeatureVector[]): PopulationVerdict {
  const distance = Math.exp(logDistance(population.model, windows)) / population.distanceLimit;
  const level =
    population.level === undefined
      ? 0
      : Math.abs(logLevel(windows) - population.level.center) / population.level.limit;
  return { distance, level, score: Math.max(distance, level) };
}

/** Judges a healthy recording by the others; the only one by halves, each by the population of the other. */
export function judgeHeldOut(
  healthy: readonly (readonly FeatureVector[])[],
  index: number,
  options: PopulationOptions = POPULATION_OPTIONS,
): PopulationVerdict {
  const windows = healthy[index]!;
  const others = healthy.filter((_, i) => i !== index);
  if (others.flat().length >= 3) return judge(fitPopulation(others, options), windows);
  // Too little beside it: each window by all the others. The limits hold windows out of the fit themselves.
  const { distanceLimit, level } = fitPopulation(healthy, options);
  const features = featuresOf(healthy.flat(), options);
  const verdicts = windows.map((window, i) => {
    const rest = windows.filter((_, j) => j !== i);
    return judge({ model: fitDistance(rest, features), distanceLimit, level }, [window]);
  });
  const middle = (of: (verdict: PopulationVerdict) => number) => medianOf(verdicts.map(of));
  const distance = middle((verdict) => verdict.distance);
  const loudness = middle((verdict) => verdict.level);
  return { distance, level: loudness, score: Math.max(distance, loudness) };
}

function featuresOf(rows: readonly FeatureVector[], { ignoreLevel }: PopulationOptions): string[] {
  const features = commonFeatures(rows);
  return ignoreLevel ? features.filter((name) => SCALE_FREE.test(name)) : features;
}

function foldsOf(healthy: readonly (readonly FeatureVector[])[]): FeatureVector[][] {
  const units = healthy.length >= FEW_RECORDINGS ? healthy : healthy.flat().map((row) => [row]);
  const count = Math.min(MOST_FOLDS, units.length);
  // Neighbours share a fold: what they have in common must not leak from one to the other.
  return Array.from({ length: count }, (_, fold) =>
    units
      .slice(Math.floor((fold * units.length) / count), Math.floor(((fold + 1) * units.length) / count))
      .flat(),
  );
}

const fitDistance = (rows: readonly FeatureVector[], features: readonly string[]): Detector =>
  fit(rows, features, () => 0);

const logDistance = (model: Detector, windows: readonly FeatureVector[]): number =>
  Math.log(medianOf(windows.map((window) => Math.max(1e-12, model.score(window))))) / 2;

const logLevel = (windows: readonly FeatureVector[]): number =>
  Math.log(medianOf(windows.map((window) => window.rms ?? Number.NaN)));

/** Centre of a sample, and how far beyond it another value of the same kind lies with the given probability. */
function predictionLimit(
  sample: readonly number[],
  leastSpread: number,
  probability: number,
): { center: number; reach: number } {
  const n = sample.length;
  const center = sample.reduce((sum, value) => sum + value, 0) / n;
  const variance = sample.reduce((sum, value) => sum + (value - center) ** 2, 0) / (n - 1);
  const spread = Math.max(leastSpread, Math.sqrt(variance));
  const quantile = studentQuantile(probability, Math.max(LEAST_DEGREES, n - 1));
  return { center, reach: quantile * spread * Math.sqrt(1 + 1 / n) };
}
