import type { ModelManifest } from './manifest.js';
import { anomalousSideOf } from './manifest-output.js';
import { modelKey } from './model-key.js';
import type { Score } from './score.js';
import type { OperatingState } from './states/state.js';

/**
 * The threshold of a model in an operating state, in the sign of its scores: that of the state, or the overall one where
 * the state has none. Where the state is not known it is the least strict of all, as with baselines: only what is
 * anomalous in every state is anomalous.
 * @param state undefined where the machine has but one
 */
export function thresholdIn(
  { threshold, output }: Pick<ModelManifest, 'threshold' | 'output'>,
  state: OperatingState | undefined,
): number {
  const sign = anomalousSideOf(output) === 'above' ? 1 : -1;
  const { value, states = {} } = threshold;
  if (state?.kind === 'unknown')
    return Math.max(sign * value, ...Object.values(states).map((of) => sign * of.value));
  return sign * ((state?.kind === 'steady' ? states[state.name]?.value : undefined) ?? value);
}

/** A score of a model, against the threshold of the state. */
export function scoreIn(score: Score, manifest: ModelManifest, state: OperatingState | undefined): Score {
  if (state === undefined || manifest.threshold.states === undefined) return score;
  const threshold = thresholdIn(manifest, state);
  return { ...score, threshold, anomalous: score.score > threshold };
}

/** Why a model says nothing in a state: it was learned in others. Undefined where it may speak. */
export function notLearnedIn(
  { training: { states } }: Pick<ModelManifest, 'training'>,
  state: OperatingState | undefined,
): string | undefined {
  if (states === undefined || state?.kind !== 'steady' || Object.hasOwn(states, state.name)) return undefined;
  return `it has learned nothing of the state ${state.name} (only ${Object.keys(states).join(', ')})`;
}

/** That a model has thresholds for other states than this one; undefined where that is as it should be. */
export function withoutThreshold(
  { threshold, training, ...of }: ModelManifest,
  state: OperatingState | undefined,
): string | undefined {
  const { states } = threshold;
  // Of a state that it was trained in, and found thin, the overall threshold is what it means.
  if (states === undefined || training.states !== undefined || state?.kind !== 'steady') return undefined;
  if (Object.hasOwn(states, state.name)) return undefined;
  return `${modelKey(of)} has thresholds for the states ${Object.keys(states).join(', ')}, and none for ${state.name}: its overall threshold counts there`;
}
