import type { Random } from '../../../base/random.js';
import type { FeatureVector } from '../../score.js';
import type { GraphWriter, Value } from '../../training/onnx-writer.js';

export const DETECTOR_KINDS = ['robust', 'mahalanobis', 'pca', 'isolation-forest', 'autoencoder'] as const;
export type DetectorKind = (typeof DETECTOR_KINDS)[number];

/** What a graph gives, by the names of its tensors. */
export interface DetectorOutputs {
  /** [rows] */
  readonly score: Value;
  /** [rows, features]: shares that sum to the score. */
  readonly contributions?: Value;
}

/** A model of the healthy machine; the higher its score, the less a row looks like it. */
export interface Detector {
  readonly kind: DetectorKind;
  readonly features: readonly string[];
  score(row: FeatureVector): number;
  /** Shares of the features in the score, in their order; they sum to it. Missing where the model states none. */
  contributions?(row: FeatureVector): number[];
  /** Adds the same computation to a graph. `input`: float32 [rows, features]. */
  addTo(graph: GraphWriter, input: Value): DetectorOutputs;
}

/** Learns a detector from rows of a healthy machine. */
export type FitDetector = (
  rows: readonly FeatureVector[],
  features: readonly string[],
  random: Random,
) => Detector;
