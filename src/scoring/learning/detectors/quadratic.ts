import type { FeatureVector } from '../../score.js';
import type { GraphWriter, Value } from '../../training/onnx-writer.js';
import { inverseOf, ledoitWolf, type ShrunkCovariance } from '../covariance.js';
import { eigenOf } from '../eigen.js';
import { addScaler, applyScaler, fitScaler, type Scaler } from '../scaler.js';
import type { Detector, DetectorKind, FitDetector } from './detector.js';

/**
 * Distances of the form (z - m)ᵀ P (z - m), with z the scaled features and m their healthy mean; 1 on the average
 * healthy row. Each is the sum over the features of (z - m) ∘ P (z - m), and those shares are its Shapley values with
 * the healthy mean as background: the interaction of two features is halved between them (Lundberg and Lee 2017).
 */
class Quadratic implements Detector {
  readonly kind: DetectorKind;
  readonly #scaler: Scaler;
  readonly #mean: Float64Array;
  /** Row by row, features x features. */
  readonly #precision: Float64Array;

  constructor(kind: DetectorKind, scaler: Scaler, mean: Float64Array, precision: Float64Array) {
    this.kind = kind;
    this.#scaler = scaler;
    this.#mean = mean;
    this.#precision = precision;
  }

  get features(): readonly string[] {
    return this.#scaler.features;
  }

  contributions(row: FeatureVector): number[] {
    const d = applyScaler(this.#scaler, row);
    const width = d.length;
    for (let j = 0; j < width; j++) d[j]! -= this.#mean[j]!;
    return Array.from(d, (value, i) => {
      let sum = 0;
      for (let j = 0; j < width; j++) sum += this.#precision[i * width + j]! * d[j]!;
      return value * sum;
    });
  }

  score(row: FeatureVector): number {
    let sum = 0;
    for (const share of this.contributions(row)) sum += share;
    return sum;
  }

  addTo(graph: GraphWriter, input: Value) {
    const width = this.features.length;
    const z = addScaler(graph, this.#scaler, input);
    const d = graph.node('Sub', 'deviation', [z, graph.constant('mean', Array.from(this.#mean))]);
    const precision = graph.constant('precision', Array.from(this.#precision), [width, width]);
    const contributions = graph.node('Mul', 'shares', [d, graph.node('MatMul', 'weighted', [d, precision])]);
    const axis = graph.integers('axis', [1]);
    return {
      score: graph.node('ReduceSum', 'distance', [contributions, axis], { keepdims: 0 }),
      contributions,
    };
  }
}

const zeros = (width: number) => new Float64Array(width);

/** Each feature for itself: the mean square of robust deviations. */
export const fitRobust: FitDetector = (rows, features) => {
  const scaler = fitScaler(rows, features);
  const width = features.length;
  const precision = new Float64Array(width * width);
  for (let j = 0; j < width; j++) precision[j * width + j] = 1 / width;
  return new Quadratic('robust', scaler, zeros(width), precision);
};

/** Mahalanobis distance by the shrunk covariance: sees combinations that no feature shows by itself. */
export const fitMahalanobis: FitDetector = (rows, features) => {
  const { scaler, mean, covariance } = shrunk(rows, features);
  const precision = inverseOf(covariance, features.length).map((value) => value / features.length);
  return new Quadratic('mahalanobis', scaler, mean, precision);
};

/** Share of the variance that the principal components keep. */
const KEPT = 0.9;

/**
 * Principal components: Hotelling's T² of the ones that carry 90 % of the variance and Q, the squared rest, in equal parts (Jackson and
 * Mudholkar 1979).
 */
export const fitPca: FitDetector = (rows, features) => {
  const { scaler, mean, covariance } = shrunk(rows, features);
  const width = features.length;
  const { values, vectors } = eigenOf(covariance, width);
  const total = values.reduce((sum, value) => sum + value, 0);
  let kept = 0;
  for (let carried = 0; kept < width && carried < KEPT * total; kept++) carried += values[kept]!;
  const rest = values.slice(kept).reduce((sum, value) => sum + value, 0);
  const precision = new Float64Array(width * width);
  for (let k = 0; k < width; k++) {
    const weight = k < kept ? 1 / (2 * kept * values[k]!) : 1 / (2 * rest);
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++)
        precision[i * width + j]! += weight * vectors[k * width + i]! * vectors[k * width + j]!;
  }
  return new Quadratic('pca', scaler, mean, precision);
};

function shrunk(
  rows: readonly FeatureVector[],
  features: readonly string[],
): ShrunkCovariance & { readonly scaler: Scaler } {
  const scaler = fitScaler(rows, features);
  const { mean, covariance, shrinkage } = ledoitWolf(rows.map((row) => applyScaler(scaler, row)));
  // What the floor of a scale stands for, scatter from day to day that the rows did not show, is in the covariance too.
  scaler.floors.forEach((floor, j) => {
    covariance[j * features.length + j]! += floor ** 2;
  });
  return { scaler, mean, covariance, shrinkage };
}
