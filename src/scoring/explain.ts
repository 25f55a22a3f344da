import type { Baseline } from './baseline.js';
import type { ModelManifest } from './manifest.js';
import type { FeatureVector } from './score.js';

/** One reason for a score. */
export interface Reason {
  readonly feature: string;
  readonly value: number;
  /** What the feature added to the score over what it adds on average, or its deviation in robust standard deviations. */
  readonly contribution: number;
  /** Share of all that raised the score, 0 to 1. */
  readonly share: number;
  /** What is usual here, where a baseline knows it. */
  readonly expected?: number;
}

/** An explanation is a few features, not all. */
const MOST = 5;
const LEAST_SHARE = 0.02;

/**
 * The features that raised a model's score, from the contributions that the model itself states. Less their mean
 * over the training data they are the Shapley values where the model is additive, as the bundled one is; they then sum to the score
 * minus its mean.
 */
export function explainModel(
  manifest: ModelManifest,
  vector: FeatureVector,
  contributions: FeatureVector,
  baseline?: Baseline,
): Reason[] {
  const base = manifest.output.contributions?.base;
  const expected = new Map(baseline?.deviations(vector).map((of) => [of.feature, of.expected]));
  return largest(
    manifest.inputs.features.map((feature, i) => {
      const usual = expected.get(feature);
      return {
        feature,
        value: vector[feature] ?? Number.NaN,
        contribution: (contributions[feature] ?? 0) - (base?.[i] ?? 0),
        ...(usual === undefined ? {} : { expected: usual }),
      };
    }),
  );
}

/** The features that lie farthest from what is usual at the point. */
export function explainBaseline(baseline: Baseline, vector: FeatureVector): Reason[] {
  return largest(
    baseline.deviations(vector).map(({ feature, value, expected, z }) => ({
      feature,
      value,
      expected,
      contribution: Math.abs(z),
    })),
  );
}

function largest(all: readonly Omit<Reason, 'share'>[]): Reason[] {
  const raised = all.filter(({ contribution }) => contribution > 0);
  const total = raised.reduce((sum, { contribution }) => sum + contribution, 0);
  return raised
    .map((reason) => ({ ...reason, share: reason.contribution / total }))
    .sort((a, b) => b.contribution - a.contribution || (a.feature < b.feature ? -1 : 1))
    .filter(({ share }) => share >= LEAST_SHARE)
    .slice(0, MOST);
}
