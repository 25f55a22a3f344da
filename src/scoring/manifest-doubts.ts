import type { ModelManifest } from './manifest.js';
import { featuresOf } from './manifest-inputs.js';
import { anomalousSideOf } from './manifest-output.js';

/** Golden vectors below which their verdicts say nothing. */
const LEAST_GOLDEN = 5;

/**
 * What is allowed in a manifest, holds, and is nevertheless most likely a slip; in words, for whoever made the model.
 * @param known names of features that a gateway makes
 */
export function doubtsOf(manifest: ModelManifest, known: Iterable<string>): string[] {
  return [...sidesOf(manifest), ...spelledOtherwise(manifest, known), ...withoutHistogram(manifest)];
}

/** Golden vectors are taken from the training data as a rule, which is healthy. */
function sidesOf({ output, threshold, golden, task }: ModelManifest): string[] {
  const isScore = output.kind === undefined || output.kind === 'score';
  if (task !== 'anomaly' || !isScore || golden.vectors.length < LEAST_GOLDEN) return [];
  const sign = anomalousSideOf(output) === 'above' ? 1 : -1;
  const anomalous = golden.vectors.filter(({ output: of }) => {
    const value = typeof of === 'number' ? of : Number.NaN;
    return sign * value > sign * threshold.value;
  });
  if (anomalous.length < golden.vectors.length) return [];
  return [
    `all ${golden.vectors.length} golden vectors are anomalous by the threshold of ${threshold.value}: is output.anomalous ("${anomalousSideOf(output)}") the right side?`,
  ];
}

const bare = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** `crest_factor` is no feature, `crestFactor` is. */
function spelledOtherwise({ inputs }: ModelManifest, known: Iterable<string>): string[] {
  const names = new Set(known);
  const byBare = new Map([...names].map((name) => [bare(name), name]));
  return featuresOf(inputs).flatMap((feature) => {
    const meant = byBare.get(bare(feature));
    return names.has(feature) || meant === undefined
      ? []
      : [`no point has a feature ${feature}: is ${meant} meant?`];
  });
}

/** Drift is told by the histograms alone. */
function withoutHistogram({ inputs, training }: ModelManifest): string[] {
  const { histograms = {} } = training;
  const missing = featuresOf(inputs).filter((feature) => !Object.hasOwn(histograms, feature));
  if (missing.length === 0 || inputs.kind !== 'features') return [];
  const which = missing.length > 5 ? `${missing.slice(0, 5).join(', ')} …` : missing.join(', ');
  return [`training.histograms says nothing of ${which}: no drift is told there`];
}
