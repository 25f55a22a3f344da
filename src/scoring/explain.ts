import { SmEdgeError } from '../base/errors.js';
import { seededRandom } from '../base/random.js';
import type { Baseline } from './baseline.js';
import type { ModelManifest } from './manifest.js';
import { explainedBy } from './manifest-inputs.js';
import { shareBase } from './manifest-output.js';
import type { ModelInput } from './model-input.js';
import type { StoredModel } from './model-store.js';
import type { FeatureVector } from './score.js';
import type { Scorer } from './scorer.js';
import { shapleyValues } from './shapley.js';

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

/** The features that raised a model's score most. @param values as of `attribute` */
export function explainModel(
  manifest: ModelManifest,
  vector: FeatureVector,
  values: readonly number[],
  baseline?: Baseline,
): Reason[] {
  const expected = new Map(baseline?.deviations(vector).map((of) => [of.feature, of.expected]));
  return largest(
    explainedBy(manifest.inputs).map((feature, i) => {
      const usual = expected.get(feature);
      return {
        feature,
        value: vector[feature] ?? Number.NaN,
        contribution: values[i] ?? 0,
        ...(usual === undefined ? {} : { expected: usual }),
      };
    }),
  );
}

/** Seed of the orders that are drawn: the same score is always explained in the same way. */
const SEED = 2017;

/**
 * What each input of a model added to its score over that of the usual, by the model's own contributions where it states
 * them, else by sampled Shapley values against the golden vectors, which are rows of its training data.
 * @returns per input in order; they sum to the score minus `base`
 */
export async function attribute(
  scorer: Pick<Scorer, 'contributions' | 'score'>,
  { key, manifest }: StoredModel,
  input: ModelInput,
): Promise<{ readonly values: readonly number[]; readonly base: number }> {
  const stated = await scorer.contributions(key, input);
  if (stated !== undefined) {
    const names = explainedBy(manifest.inputs);
    const base = shareBase(manifest.output, names.length);
    return {
      values: names.map((name, i) => stated[name]! - base[i]!),
      base: base.reduce((sum, share) => sum + share, 0),
    };
  }
  if (manifest.inputs.kind !== 'features' || manifest.output.kind === 'forecast')
    throw new SmEdgeError('MODEL_NOT_EXPLAINED', `${key} does not say what its score is made of`, {
      hint: 'A reconstruction is explained feature by feature; a model that takes samples by the diagnosis beside it.',
    });
  const { features } = manifest.inputs;
  return shapleyValues({
    features,
    row: input as FeatureVector,
    background: manifest.golden.vectors.map(({ input: values }) =>
      Object.fromEntries(features.map((feature, i) => [feature, values[i]!])),
    ),
    score: async (rows) => (await scorer.score(key, rows)).map(({ score }) => score),
    random: seededRandom(SEED),
  });
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
