import { toSmEdgeError } from '../base/errors.js';
import { featuresOf } from './manifest-inputs.js';
import type { ModelInput } from './model-input.js';
import type { FeatureVector, Score } from './score.js';
import type { Scorer } from './scorer.js';
import type { ModelChoice } from './selection.js';
import { notLearnedIn, scoreIn } from './state-thresholds.js';
import type { OperatingState } from './states/state.js';

/** One point's features, its model and its baseline. */
export interface PointToScore {
  readonly features: FeatureVector;
  readonly choice: ModelChoice;
  /** What the model scores; the features where nothing is said. */
  readonly input?: ModelInput | undefined;
  /** Why there is no input for the model. */
  readonly reason?: string | undefined;
  /** Operating state of the machine; undefined where it has but one. */
  readonly state?: OperatingState | undefined;
  /** What is usual at the point: scores the features, and learns them where it may. */
  readonly baseline: { update(features: FeatureVector): Score | undefined };
}

export interface PointScores {
  /** The score that counts: the model's, or the baseline's marked as its fallback; undefined while neither can speak. */
  readonly score: Score | undefined;
  /** The baseline's own score beside the model's, where it speaks. */
  readonly baseline: Score | undefined;
  /** Why no model speaks, also while the baseline cannot yet; undefined where one does. */
  readonly fallback: string | undefined;
}

/**
 * Scores many points at once: one batch per model. It never throws: a point whose model is missing or fails gets the
 * score of its baseline, which says why. Only the baseline's own score keeps it from learning: a machine that is
 * louder than most must be able to become usual to its own baseline.
 */
export async function scorePoints(scorer: Scorer, points: readonly PointToScore[]): Promise<PointScores[]> {
  const byModel = new Map<string, number[]>();
  points.forEach(({ choice }, i) => {
    if (choice.model === undefined) return;
    const indices = byModel.get(choice.model.key);
    if (indices === undefined) byModel.set(choice.model.key, [i]);
    else indices.push(i);
  });
  const outcomes = new Map<number, Score | string>();
  await Promise.all(
    [...byModel].map(async ([key, indices]) => {
      const batch = indices.filter((i) => {
        const why = whyNot(points[i]!);
        if (why !== undefined) outcomes.set(i, `${key}: ${why}`);
        return why === undefined;
      });
      try {
        const scores = await scorer.score(
          key,
          batch.map((i) => points[i]!.input ?? points[i]!.features),
        );
        batch.forEach((i, row) => {
          const { choice, state } = points[i]!;
          outcomes.set(i, scoreIn(scores[row]!, choice.model!.manifest, state));
        });
      } catch (thrown) {
        const { code, message } = toSmEdgeError(thrown);
        for (const i of batch) outcomes.set(i, `${code}: ${message}`);
      }
    }),
  );
  return points.map(({ features, choice, baseline }, i) => {
    const outcome = outcomes.get(i);
    const model = typeof outcome === 'object' ? outcome : undefined;
    const own = baseline.update(features);
    if (model !== undefined) return { score: model, baseline: own, fallback: undefined };
    const fallback = typeof outcome === 'string' ? outcome : choice.reason;
    return { score: own === undefined ? undefined : { ...own, fallback }, baseline: own, fallback };
  });
}

/** Why a model does not score a point. One without a feature must not cost the others their batch. */
function whyNot({ reason, features, choice: { model }, state }: PointToScore): string | undefined {
  if (reason !== undefined || model === undefined) return reason;
  const unlearned = notLearnedIn(model.manifest, state);
  if (unlearned !== undefined) return unlearned;
  const missing = featuresOf(model.manifest.inputs).find((name) => !Number.isFinite(features[name]));
  return missing === undefined ? undefined : `needs ${missing}`;
}
