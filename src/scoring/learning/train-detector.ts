import { SmEdgeError } from '../../base/errors.js';
import { seededRandom } from '../../base/random.js';
import type { FeatureVector } from '../score.js';
import { RUNNING } from '../states/state.js';
import { extremeQuantile } from '../training/extreme-value.js';
import { fitAutoencoder } from './detectors/autoencoder.js';
import { DETECTOR_KINDS, type Detector, type DetectorKind, type FitDetector } from './detectors/detector.js';
import { fitIsolationForest } from './detectors/isolation-forest.js';
import { fitMahalanobis, fitPca, fitRobust } from './detectors/quadratic.js';
import { fitScaler } from './scaler.js';
import { limitsByState, type StateLimit } from './state-limits.js';
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
  /** What was learned of each operating state; undefined where the machine has but one. */
  readonly states?: ReadonlyMap<string, StateLimit>;
  /** Held-out rows that the limits are set on. */
  readonly limitRows: number;
  /** Probability per row that was asked for, or the least that so many rows can speak of. */
  readonly falseAlarmProbability: number;
  readonly trials: readonly Trial[];
}

export interface TrainOptions {
  /** Probability that a healthy row exceeds the threshold. */
  readonly falseAlarmProbability: number;
  readonly seed: number;
  /** Operating state of each row, where the machine has several. */
  readonly states?: readonly string[];
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
/** Rows of a state in a trial below which it is compared with the others: 1 % of fewer is none. */
const LEAST_TRIAL_ROWS = 100;
/** A tail fitted to n values is carried on to one in so many times n, and no further. */
const BEYOND = 100;

/**
 * Learns a model of the healthy machine: the detector that finds most injected faults in cross-validation, simplest first,
 * with a threshold by extreme-value theory on the scores of held-out healthy rows. The same rows and seed give the same model.
 * Folds are stretches of time: neighbours, which are alike, are not on both sides. Of several operating states each is cut
 * into stretches of its own: a duty of one afternoon is then not judged by what never saw it.
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
  const states = severalStates(options.states);
  const trials: Trial[] = [];
  for (const kind of kinds) {
    const trial =
      options.finished?.find((of) => of.kind === kind) ?? tryOut(kind, rows, features, options.seed, states);
    trials.push(trial);
    await options.onTrial?.(trial, trials.length, kinds.length);
  }
  const best = Math.max(...trials.map(({ detected }) => detected));
  const chosen = trials.find(({ detected }) => detected >= best - AS_GOOD)!;
  const detector = FITS[chosen.kind](rows, features, seededRandom(options.seed));
  const least = (count: number) => Math.max(options.falseAlarmProbability, 1 / (BEYOND * count));
  if (states === undefined) {
    const falseAlarmProbability = least(chosen.heldOut.length);
    const limit = extremeQuantile(chosen.heldOut, falseAlarmProbability);
    return { detector, limit, limitRows: chosen.heldOut.length, falseAlarmProbability, trials };
  }
  // The trial saw a part of the rows; a state that is one of ten needs them all.
  const scores = heldOutScores(chosen.kind, rows, features, options.seed, states);
  const falseAlarmProbability = least(scores.length);
  const { overall, states: limits } = limitsByState(scores, states, falseAlarmProbability);
  const limitRows = scores.length;
  return { detector, limit: overall, states: limits, limitRows, falseAlarmProbability, trials };
}

/** Where a machine has states: all that it was in. The only one of a machine without is `running`. */
function severalStates(states: readonly string[] | undefined): readonly string[] | undefined {
  return states?.some((state) => state !== RUNNING.name) ? states : undefined;
}

function tryOut(
  kind: DetectorKind,
  all: readonly FeatureVector[],
  features: readonly string[],
  seed: number,
  allStates: readonly string[] | undefined,
): Trial {
  const random = seededRandom(seed);
  const rows = thinned(all, TRIAL_ROWS);
  const states = allStates && thinned(allStates, TRIAL_ROWS);
  const folds = foldsOf(rows.length, states);
  const injections = injectionsFor(fitScaler(rows, features), rows);
  const heldOut: number[] = [];
  const heldOutStates: string[] = [];
  const faulty: { readonly score: number; readonly state: string }[] = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const detector = FITS[kind](
      rows.filter((_, i) => folds[i] !== fold),
      features,
      seededRandom(seed + fold),
    );
    rows.forEach((row, i) => {
      if (folds[i] !== fold) return;
      const state = states?.[i] ?? RUNNING.name;
      heldOut.push(detector.score(row));
      heldOutStates.push(state);
      for (const inject of injections) faulty.push({ score: detector.score(inject(row, random)), state });
    });
  }
  const limitIn = limitsOfTrial(heldOut, heldOutStates);
  const found = faulty.filter(({ score, state }) => score > limitIn(state)).length;
  return { kind, heldOut, detected: found / faulty.length };
}

/** What 1 % of the healthy rows of a state exceed; of all rows where it has few. */
function limitsOfTrial(scores: readonly number[], states: readonly string[]): (state: string) => number {
  const quantile = (of: readonly number[]) =>
    [...of].sort((a, b) => a - b)[Math.floor(0.99 * (of.length - 1))]!;
  const overall = quantile(scores);
  const own = new Map<string, number>();
  for (const state of new Set(states)) {
    const rows = scores.filter((_, i) => states[i] === state);
    own.set(state, rows.length < LEAST_TRIAL_ROWS ? overall : quantile(rows));
  }
  return (state) => own.get(state) ?? overall;
}

/** Scores of all rows, each by a detector that learned from other stretches, in the order of the rows. */
function heldOutScores(
  kind: DetectorKind,
  rows: readonly FeatureVector[],
  features: readonly string[],
  seed: number,
  states: readonly string[],
): number[] {
  const folds = foldsOf(rows.length, states);
  const scores = new Array<number>(rows.length);
  for (let fold = 0; fold < FOLDS; fold++) {
    const others = rows.filter((_, i) => folds[i] !== fold);
    const detector = FITS[kind](thinned(others, TRIAL_ROWS), features, seededRandom(seed + fold));
    rows.forEach((row, i) => {
      if (folds[i] === fold) scores[i] = detector.score(row);
    });
  }
  return scores;
}

/** The fold of each row: stretches of time, of each state by itself. */
function foldsOf(count: number, states: readonly string[] | undefined): number[] {
  const totals = new Map<string | undefined, number>();
  for (let i = 0; i < count; i++) totals.set(states?.[i], (totals.get(states?.[i]) ?? 0) + 1);
  const seen = new Map<string | undefined, number>();
  return Array.from({ length: count }, (_, i) => {
    const state = states?.[i];
    const at = seen.get(state) ?? 0;
    seen.set(state, at + 1);
    let fold = 0;
    while (fold < FOLDS - 1 && at >= Math.floor(((fold + 1) * totals.get(state)!) / FOLDS)) fold++;
    return fold;
  });
}

/** Every k-th row. */
function thinned<T>(rows: readonly T[], most: number): readonly T[] {
  const step = Math.ceil(rows.length / most);
  return step === 1 ? rows : rows.filter((_, i) => i % step === 0);
}
