import { SmEdgeError } from '../../base/errors.js';
import { seededRandom } from '../../base/random.js';
import type { FeatureVector } from '../score.js';
import { extremeQuantile } from '../training/extreme-value.js';
import { fitAutoencoder } from './detectors/autoencoder.js';
import { DETECTOR_KINDS, type Detector, type DetectorKind, type FitDetector } from './detectors/detector.js';
import { fitIsolationForest } from './detectors/isolation-forest.js';
import { fitMahalanobis, fitPca, fitRobust } from './detectors/quadratic.js';
import { fitScaler } from './scaler.js';
import { injectionsFor } from './synthetic-faults.js';

const FITS: Readonly<Record<DetectorKind, FitDetector>> = {
  robust: fitRobust,
  mahalanobis: fitMahalanobis,
  pca: fitPca,
  'isolation-forest': fitIsolationForest,
  autoencoder: fitAutoencoder,
};

/** How a detector did in cross-validation on healthy rows and on faults injected into them. */
export interface Trial {
  readonly kind: DetectorKind;
  /** Scores of healthy rows that were held out, in their order. */
  readonly heldOut: readonly number[];
  /** Share of the injected faults above what 1 % of the held-out healthy rows exceed. */
  readonly detected: number;
}

export interface TrainedDetector {
  readonly detector: Detector;
  /** Of the raw score. */
  readonly limit: number;
  /** Probability per row that was asked for, or the least that so many rows can speak of. */
  readonly falseAlarmProbability: number;
  readonly trials: readonly Trial[];
}

export interface TrainOptions {
  /** Probability that a healthy row exceeds the threshold. */
  readonly falseAlarmProbability: number;
  readonly seed: number;
  /** Kinds to choose among. */
  readonly kinds?: readonly DetectorKind[];
  /** Trials of an earlier run that was stopped: they are not run again. */
  readonly finished?: readonly Trial[];
  readonly onTrial?: (trial: Trial, done: number, total: number) => void | Promise<void>;
}

/** Rows below which nothing is learned. */
export const LEAST_ROWS = 60;
const FOLDS = 4;
/** Rows that a trial learns from at most: it compares detectors, the chosen one then learns from all. */
const TRIAL_ROWS = 1200;
/** A simpler detector is taken that detects nearly as much. */
const AS_GOOD = 0.02;
/** A tail fitted to n values is carried on to one in so many times n, and no further. */
const BEYOND = 100;

/**
 * Learns a model of the healthy machine: the detector that finds most injected faults in cross-validation, simplest first,
 * with a threshold by extreme-value theory on the scores of held-out healthy rows. The same rows and seed give the same model.
 * Folds are stretches of time: neighbours, which are alike, are not on both sides.
 * Throws `TRAINING_TOO_FEW`.
 */
export async function trainDetector(
  rows: readonly FeatureVector[],
  features: readonly string[],
  options: TrainOptions,
): Promise<TrainedDetector> {
  if (rows.length < LEAST_ROWS || features.length === 0)
    throw new SmEdgeError(
      'TRAINING_TOO_FEW',
      `${rows.length} rows of ${features.length} features are too few to learn from`,
      {
        hint: `Let the healthy machine run until there are at least ${LEAST_ROWS} rows; a thousand are better.`,
      },
    );
  const kinds = options.kinds ?? DETECTOR_KINDS;
  const trials: Trial[] = [];
  for (const kind of kinds) {
    const trial =
      options.finished?.find((of) => of.kind === kind) ?? tryOut(kind, rows, features, options.seed);
    trials.push(trial);
    await options.onTrial?.(trial, trials.length, kinds.length);
  }
  const best = Math.max(...trials.map(({ detected }) => detected));
  const chosen = trials.find(({ detected }) => detected >= best - AS_GOOD)!;
  const detector = FITS[chosen.kind](rows, features, seededRandom(options.seed));
  const falseAlarmProbability = Math.max(options.falseAlarmProbability, 1 / (BEYOND * chosen.heldOut.length));
  return {
    detector,
    limit: extremeQuantile(chosen.heldOut, falseAlarmProbability),
    falseAlarmProbability,
    trials,
  };
}

function tryOut(
  kind: DetectorKind,
  all: readonly FeatureVector[],
  features: readonly string[],
  seed: number,
): Trial {
  const random = seededRandom(seed);
  const rows = thinned(all, TRIAL_ROWS);
  const injections = injectionsFor(fitScaler(rows, features), rows);
  const heldOut: number[] = [];
  const faulty: number[] = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const from = Math.floor((fold * rows.length) / FOLDS);
    const to = Math.floor(((fold + 1) * rows.length) / FOLDS);
    const detector = FITS[kind](
      [...rows.slice(0, from), ...rows.slice(to)],
      features,
      seededRandom(seed + fold),
    );
    for (const row of rows.slice(from, to)) {
      heldOut.push(detector.score(row));
      for (const inject of injections) faulty.push(detector.score(inject(row, random)));
    }
  }
  const limit = [...heldOut].sort((a, b) => a - b)[Math.floor(0.99 * (heldOut.length - 1))]!;
  return { kind, heldOut, detected: faulty.filter((score) => score > limit).length / faulty.length };
}

/** Every k-th row. */
function thinned<T>(rows: readonly T[], most: number): readonly T[] {
  const step = Math.ceil(rows.length / most);
  return step === 1 ? rows : rows.filter((_, i) => i % step === 0);
}
