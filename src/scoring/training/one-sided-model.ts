import type { FeatureVector } from '../../features/spec.js';
import { extremeQuantile } from './extreme-value.js';
import { GraphWriter } from './onnx-writer.js';

/**
 * An additive model of the unusual. Each feature is taken by its logarithm (levels and shape factors are ratios), centred and
 * scaled by median and quartiles over healthy machines, and counted on the upper side alone: a fault makes a machine
 * louder and more impulsive, and a machine quieter than most is no fault. With u = (ln(x + offset) - center) / scale:
 *
 *     score = sum over features of weight * ln(1 + e^u)²
 *
 * Being a sum, it says exactly what each feature contributes, and those shares less their mean over the training data are the
 * Shapley values of the score (Lundberg and Lee 2017, for additive models).
 */
export interface OneSidedModel {
  readonly features: readonly string[];
  /** Added before the logarithm, per feature: spectral kurtosis reaches down to -1. */
  readonly offsets: readonly number[];
  readonly centers: readonly number[];
  readonly scales: readonly number[];
  readonly weights: readonly number[];
}

export interface InputFeature {
  readonly name: string;
  readonly offset: number;
}

/** Smallest argument of the logarithm. */
const SMALLEST = 1e-12;
/** Interquartile range of a Gaussian over its standard deviation. */
const IQR_TO_SIGMA = 1.349;

/**
 * Fits the model to features of healthy machines, so that `falseAlarmProbability` of `holdOut` scores above 1.
 * Parameters are rounded to four digits: another processor's last bit does not change the file.
 */
export function fitOneSidedModel(
  inputs: readonly InputFeature[],
  rows: readonly FeatureVector[],
  holdOut: readonly FeatureVector[],
  falseAlarmProbability: number,
): OneSidedModel {
  const columns = inputs.map(({ name, offset }) => rows.map((row) => logOf(row[name], offset)));
  const centers = columns.map((column) => round(quantile(column, 0.5)));
  const scales = columns.map((column) =>
    round((quantile(column, 0.75) - quantile(column, 0.25)) / IQR_TO_SIGMA),
  );
  const terms = columns.map((column, j) => column.map((log) => term(log, centers[j]!, scales[j]!)));
  // k features that say the same thing share the weight of one.
  const weights = terms.map((a) => 1 / terms.reduce((sum, b) => sum + Math.abs(correlation(a, b)), 0));
  const unscaled: OneSidedModel = {
    features: inputs.map(({ name }) => name),
    offsets: inputs.map(({ offset }) => offset),
    centers,
    scales,
    weights,
  };
  const limit = extremeQuantile(
    holdOut.map((row) => scoreOf(unscaled, row)),
    falseAlarmProbability,
  );
  return { ...unscaled, weights: weights.map((weight) => round(weight / limit)) };
}

/** The share of each feature in the score, in the order of the features. */
export function contributionsOf(model: OneSidedModel, row: FeatureVector): number[] {
  return model.features.map((feature, j) => {
    const log = logOf(row[feature], model.offsets[j]!);
    return model.weights[j]! * term(log, model.centers[j]!, model.scales[j]!);
  });
}

export function scoreOf(model: OneSidedModel, row: FeatureVector): number {
  return contributionsOf(model, row).reduce((sum, share) => sum + share, 0);
}

/** The same as an ONNX graph: `features` [rows, n] to `score` [rows] and `contributions` [rows, n]. */
export function oneSidedGraph(model: OneSidedModel): Uint8Array {
  const width = model.features.length;
  const graph = new GraphWriter('one-sided');
  const x = graph.input('features', ['rows', width]);
  graph.node('Add', 'shifted', [x, graph.constant('offsets', model.offsets)]);
  graph.node('Max', 'positive', ['shifted', graph.constant('smallest', [SMALLEST])]);
  graph.node('Log', 'logarithm', ['positive']);
  graph.node('Sub', 'centred', ['logarithm', graph.constant('centers', model.centers)]);
  graph.node('Div', 'scaled', ['centred', graph.constant('scales', model.scales)]);
  graph.node('Softplus', 'upper', ['scaled']);
  graph.node('Mul', 'squared', ['upper', 'upper']);
  graph.node('Mul', 'contributions', ['squared', graph.constant('weights', model.weights)]);
  graph.node('ReduceSum', 'score', ['contributions', graph.integers('axis', [1])], { keepdims: 0 });
  graph.output('score', ['rows']);
  graph.output('contributions', ['rows', width]);
  return graph.finish({ features: model.features.join(',') });
}

const logOf = (value: number | undefined, offset: number): number =>
  Math.log(Math.max(SMALLEST, (value ?? Number.NaN) + offset));

/** ln(1 + e^u)², without overflow. */
function term(log: number, center: number, scale: number): number {
  const u = (log - center) / scale;
  const upper = Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
  return upper * upper;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))]!;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanA = mean(a);
  const meanB = mean(b);
  let ab = 0;
  let aa = 0;
  let bb = 0;
  a.forEach((value, i) => {
    const da = value - meanA;
    const db = b[i]! - meanB;
    ab += da * db;
    aa += da * da;
    bb += db * db;
  });
  return ab / Math.sqrt(aa * bb || 1);
}

const round = (value: number): number => Number(value.toPrecision(4));
