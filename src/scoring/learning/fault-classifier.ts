import { SmEdgeError } from '../../base/errors.js';
import { medianOf } from '../../base/median.js';
import { choleskyOf, inverseOf, ledoitWolf } from './covariance.js';

/**
 * Names a fault from few labelled cases. Each case is a prototype (a class is as near as the nearest of its cases: the same
 * fault looks different at another size), distances are those of the shared covariance within the classes, shrunk after
 * Ledoit and Wolf since there are few. What is far from all of them is `unknown`: a fault that nobody has named yet.
 *
 * It works on features scaled by the healthy machine itself, z, so that cases of another machine of the kind count, and on
 * asinh z, so that a fault that is twice as strong is not another one. Lines of bearing faults are compared with each
 * other as well: which of them stands out matters more than how far.
 */
export interface FaultCase {
  readonly label: string;
  /** Scaled features, in the order of the classifier's: the middle of the windows of the case. */
  readonly z: ArrayLike<number>;
  /** Some of its windows: a single window is what will be named, and it scatters. */
  readonly windows?: readonly ArrayLike<number>[];
}

export interface FaultClassifier {
  readonly features: readonly string[];
  /** `normal`, then the faults by name; `unknown`, which has no cases, comes last. */
  readonly labels: readonly string[];
  /** From asinh z to the space in which distances are plain, row by row, features x width. */
  readonly map: Float64Array;
  readonly width: number;
  /** In that space. */
  readonly prototypes: readonly { readonly label: string; readonly at: Float64Array }[];
  /** Squared distance from where on nothing is known. */
  readonly limit: number;
  /** Share of the cases that are named right when they are left out. */
  readonly accuracy: number;
  /** Cases per fault. */
  readonly cases: Readonly<Record<string, number>>;
}

export const NORMAL_LABEL = 'normal';
export const UNKNOWN_LABEL = 'unknown';
/** Cases of a fault below which it is not named. */
export const LEAST_CASES = 2;

const LINES = /^(bpfo|bpfi|bsf|gmf)$/;
/** Weight of one line against the others. */
const LINE_WEIGHT = 3;
/** Share of the mean variance that is added to each: few cases scatter less than faults do. */
const RIDGE = 0.5;
/** A new case lies about as far from its like as the known ones from each other, and half as far again. */
const REACH_QUANTILE = 0.75;
const REACH = 1.5;
/** Logarithm of the odds of a class against `unknown` right at one of its cases. */
const CERTAINTY = 3;

/**
 * @param healthy scaled windows of the healthy machine
 * Throws `TRAINING_TOO_FEW` where no fault has two cases.
 */
export function fitFaultClassifier(
  features: readonly string[],
  cases: readonly FaultCase[],
  healthy: readonly ArrayLike<number>[],
): FaultClassifier {
  const counts: Record<string, number> = {};
  for (const { label } of cases) counts[label] = (counts[label] ?? 0) + 1;
  const known = cases.filter(({ label }) => counts[label]! >= LEAST_CASES && label !== NORMAL_LABEL);
  if (known.length === 0 || healthy.length === 0)
    throw new SmEdgeError('TRAINING_TOO_FEW', `no fault has ${LEAST_CASES} labelled cases`, {
      hint: 'label true alarms with what they were: "sm-edge alarms label ALARM true --cause WHAT"',
    });
  const matrix = lookMatrix(features);
  const usual = ledoitWolf(healthy.map((z) => looked(z, matrix))).covariance;
  const offsets = known.flatMap(({ z, windows = [] }) => {
    const middle = looked(z, matrix);
    return windows.map((window) => looked(window, matrix).map((value, j) => value - middle[j]!));
  });
  if (offsets.length > 1) {
    const { covariance } = ledoitWolf(offsets);
    for (let i = 0; i < usual.length; i++) usual[i]! += covariance[i]!;
  }
  const { accuracy, limit } = leaveOneOut(known, matrix, usual);
  const seen = known.map(({ label, z }) => ({ label, at: looked(z, matrix) }));
  const whiten = whitening(seen, usual);
  const faults = seen.map(({ label, at }) => ({ label, at: times(at, whiten, matrix.width) }));
  const normal = healthy.map((z) => ({
    label: NORMAL_LABEL,
    at: times(looked(z, matrix), whiten, matrix.width),
  }));
  const labels = [NORMAL_LABEL, ...[...new Set(faults.map(({ label }) => label))].sort(), UNKNOWN_LABEL];
  return {
    features,
    labels,
    map: product(matrix, whiten),
    width: matrix.width,
    prototypes: [...normal, ...faults],
    // A case is a median of windows; one window lies about it as a healthy one lies about the middle of them.
    limit: Math.max(
      limit,
      REACH * scatterOf(normal),
      REACH * typicalOf(offsets.map((at) => squaredLength(times(at, whiten, matrix.width)))),
    ),
    accuracy,
    cases: Object.fromEntries(labels.slice(1, -1).map((label) => [label, counts[label]!])),
  };
}

/** Probability of each label, in their order. */
export function classify(classifier: FaultClassifier, z: ArrayLike<number>): number[] {
  const { labels, map, width, prototypes, limit } = classifier;
  const at = new Float64Array(width);
  for (let i = 0; i < z.length; i++)
    for (let j = 0; j < width; j++) at[j]! += Math.asinh(z[i]!) * map[i * width + j]!;
  const nearest = labels.map((label) =>
    prototypes.reduce(
      (least, of) => (of.label === label ? Math.min(least, squaredDistance(of.at, at)) : least),
      label === UNKNOWN_LABEL ? limit : Number.POSITIVE_INFINITY,
    ),
  );
  return softmax(nearest.map((distance) => -perDistance(classifier) * distance));
}

/** What a squared distance takes from the logarithm of the odds. */
export const perDistance = ({ limit }: Pick<FaultClassifier, 'limit'>): number => CERTAINTY / limit;

function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - most));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

interface Matrix {
  readonly values: Float64Array;
  readonly width: number;
}

/** The features, and each line less the mean of all lines. */
function lookMatrix(features: readonly string[]): Matrix {
  const lines = features.flatMap((feature, i) => (LINES.test(feature) ? [i] : []));
  const contrasts = lines.length >= 2 ? lines : [];
  const width = features.length + contrasts.length;
  const values = new Float64Array(features.length * width);
  features.forEach((_, i) => {
    values[i * width + i] = 1;
  });
  contrasts.forEach((line, k) => {
    for (const i of lines)
      values[i * width + features.length + k] = LINE_WEIGHT * ((i === line ? 1 : 0) - 1 / lines.length);
  });
  return { values, width };
}

function looked(z: ArrayLike<number>, { values, width }: Matrix): Float64Array {
  const at = new Float64Array(width);
  for (let i = 0; i < z.length; i++) {
    const u = Math.asinh(z[i]!);
    for (let j = 0; j < width; j++) at[j]! += u * values[i * width + j]!;
  }
  return at;
}

interface Placed {
  readonly label: string;
  readonly at: Float64Array;
}

/**
 * Root of the inverse covariance within the classes over the width, row by row: what cases of a fault differ by, and what
 * single windows scatter by anyway.
 * @param usual covariance of single windows about the middle of theirs
 */
function whitening(cases: readonly Placed[], usual: Float64Array): Float64Array {
  const width = cases[0]!.at.length;
  const groups = new Map<string, Float64Array[]>();
  for (const { label, at } of cases) groups.set(label, [...(groups.get(label) ?? []), at]);
  const residuals = [...groups.values()].flatMap((group) => {
    const n = group.length;
    if (n < 2) return [];
    const mean = group[0]!.map((_, j) => group.reduce((sum, at) => sum + at[j]!, 0) / n);
    // The mean of few lies nearer to them than the true one.
    return group.map((at) => at.map((value, j) => (value - mean[j]!) * Math.sqrt(n / (n - 1))));
  });
  if (residuals.length === 0) residuals.push(new Float64Array(width));
  const { covariance } = ledoitWolf(residuals);
  for (let i = 0; i < covariance.length; i++) covariance[i]! += usual[i]!;
  let trace = 0;
  for (let j = 0; j < width; j++) trace += covariance[j * width + j]! / width;
  for (let j = 0; j < width; j++) covariance[j * width + j]! += RIDGE * trace + 1e-6;
  const precision = inverseOf(covariance, width).map((value) => value / width);
  return choleskyOf(precision, width);
}

/** Three of four are nearer; 0 where there is none. */
function typicalOf(distances: readonly number[]): number {
  const sorted = distances.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.floor(REACH_QUANTILE * (sorted.length - 1))] ?? 0;
}

const squaredLength = (at: Float64Array): number => at.reduce((sum, value) => sum + value * value, 0);

/** Median squared distance from the middle. */
function scatterOf(placed: readonly Placed[]): number {
  const middle = placed[0]!.at.map((_, j) => placed.reduce((sum, { at }) => sum + at[j]!, 0) / placed.length);
  return medianOf(placed.map(({ at }) => squaredDistance(at, middle)));
}

function times(at: Float64Array, matrix: Float64Array, width: number): Float64Array {
  const result = new Float64Array(width);
  for (let i = 0; i < width; i++)
    for (let j = 0; j < width; j++) result[j]! += at[i]! * matrix[i * width + j]!;
  return result;
}

function product({ values, width }: Matrix, matrix: Float64Array): Float64Array {
  const rows = values.length / width;
  const result = new Float64Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < width; k++)
      for (let j = 0; j < width; j++)
        result[i * width + j]! += values[i * width + k]! * matrix[k * width + j]!;
  return result;
}

function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j]! - b[j]!) ** 2;
  return sum;
}

/** Each case by all others: how many are named right, and how far each lies from its like. */
function leaveOneOut(
  cases: readonly FaultCase[],
  matrix: Matrix,
  usual: Float64Array,
): { accuracy: number; limit: number } {
  const seen = cases.map(({ label, z }) => ({ label, at: looked(z, matrix) }));
  let right = 0;
  const own: number[] = [];
  seen.forEach((one, index) => {
    const others = seen.filter((_, i) => i !== index);
    const whiten = whitening(others, usual);
    const at = times(one.at, whiten, matrix.width);
    const distances = others.map((of) => ({
      label: of.label,
      distance: squaredDistance(times(of.at, whiten, matrix.width), at),
    }));
    const nearest = distances.reduce((a, b) => (b.distance < a.distance ? b : a));
    if (nearest.label === one.label) right++;
    own.push(
      distances.reduce(
        (least, of) => (of.label === one.label ? Math.min(least, of.distance) : least),
        Number.POSITIVE_INFINITY,
      ),
    );
  });
  return { accuracy: right / cases.length, limit: Math.max(1e-9, REACH * typicalOf(own)) };
}
