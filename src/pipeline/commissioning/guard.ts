import { seededRandom } from '../../base/random.js';
import type { FeatureVector } from '../../features/spec.js';
import { exceedance } from '../../scoring/exceedance.js';
import { fitScaler } from '../../scoring/learning/scaler.js';
import { injectionsFor } from '../../scoring/learning/synthetic-faults.js';
import type { ModelManifest } from '../../scoring/manifest.js';
import { featuresOf } from '../../scoring/manifest-inputs.js';
import { type LoadedModel, loadModel } from '../../scoring/runtime.js';
import type { Score } from '../../scoring/score.js';
import { scoresOf } from '../../scoring/score-of-output.js';
import { notLearnedIn, scoreIn } from '../../scoring/state-thresholds.js';
import { type OperatingState, RUNNING } from '../../scoring/states/state.js';
import type { HeldOutRow } from './learn-from-store.js';

/** How two models did on the same healthy rows that neither has seen, and on faults injected into them. */
export interface Comparison {
  readonly rows: number;
  /** Share of the healthy rows over the model's own limit. */
  readonly falseAlarms: { readonly before: number; readonly after: number };
  /** Share of the injected faults above what 1 % of the healthy rows exceed. */
  readonly detected: { readonly before: number; readonly after: number };
  readonly taken: boolean;
}

/** Rows that are compared at most: with five injections each this takes some tenths of a second. */
const MOST_ROWS = 1_000;
const BATCH = 500;
const SEED = 7;
/** Less than one in a hundred of the injected faults is chance. */
const AS_GOOD = 0.01;

export interface ModelBytes {
  readonly model: Uint8Array;
  readonly manifest: ModelManifest;
}

/**
 * A new model takes over only where it is no worse: not more false alarms, and at least as many of the injected faults
 * found. Faults are counted above the 99 % quantile of each model's own healthy scores, over the threshold of the
 * operating state: one that calls everything anomalous finds every fault, and knows nothing.
 * @param learned rows that the new model was learned from
 * @param heldOut later healthy rows
 */
export async function compare(
  before: ModelBytes,
  after: ModelBytes,
  learned: readonly FeatureVector[],
  heldOut: readonly HeldOutRow[],
): Promise<Comparison> {
  const step = Math.max(1, Math.ceil(heldOut.length / MOST_ROWS));
  const healthy = heldOut.filter((_, i) => i % step === 0);
  const random = seededRandom(SEED);
  const injections = injectionsFor(fitScaler(learned, featuresOf(after.manifest.inputs)), learned);
  const faulty = healthy.flatMap(({ features, state }) =>
    injections.map((inject) => ({ features: { ...features, ...inject(features, random) }, state })),
  );
  // In an operating state that is new the old model says nothing, and is not to win by it.
  const common = healthy.map(
    ({ state }) => notLearnedIn(before.manifest, stateOf(before.manifest, state)) === undefined,
  );
  const old = await judged(before, healthy, faulty, common);
  const fresh = await judged(after, healthy, faulty, common);
  return {
    rows: healthy.length,
    falseAlarms: { before: old.falseAlarms, after: fresh.falseAlarms },
    detected: { before: old.detected, after: fresh.detected },
    taken: fresh.falseAlarms <= old.falseAlarms && fresh.detected >= old.detected - AS_GOOD,
  };
}

/** @param common of the healthy rows: those that both models judge */
async function judged(
  { model, manifest }: ModelBytes,
  healthy: readonly HeldOutRow[],
  faulty: readonly HeldOutRow[],
  common: readonly boolean[],
): Promise<{ falseAlarms: number; detected: number }> {
  const loaded = await loadModel(model, manifest);
  try {
    const usual = await scored(loaded, healthy);
    const odd = await scored(loaded, faulty);
    const sorted = usual.map(exceedance).sort((a, b) => a - b);
    const limit = sorted[Math.floor(0.99 * (sorted.length - 1))] ?? Number.POSITIVE_INFINITY;
    const compared = usual.filter((_, i) => common[i]);
    return {
      falseAlarms: compared.filter(({ anomalous }) => anomalous).length / Math.max(1, compared.length),
      detected: odd.filter((score) => exceedance(score) > limit).length / Math.max(1, odd.length),
    };
  } finally {
    await loaded.release();
  }
}

async function scored(loaded: LoadedModel, rows: readonly HeldOutRow[]): Promise<Score[]> {
  const { manifest } = loaded;
  const features = featuresOf(manifest.inputs);
  const scores: Score[] = [];
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.slice(from, from + BATCH);
    const values = Float32Array.from(
      batch.flatMap(({ features: row }) => features.map((name) => row[name]!)),
    );
    const raw = await loaded.run({ rows: batch.length, values });
    for (const [i, score] of scoresOf(manifest, raw, undefined, []).entries()) {
      const state = stateOf(manifest, batch[i]!.state);
      const isSilent = notLearnedIn(manifest, state) !== undefined;
      // Where it says nothing it calls nothing anomalous, and finds nothing.
      scores.push(
        isSilent ? { ...score, score: -Infinity, anomalous: false } : scoreIn(score, manifest, state),
      );
    }
  }
  return scores;
}

/** A machine without states is in none; its rows say `running`. */
const stateOf = ({ training }: ModelManifest, name: string): OperatingState | undefined =>
  name === RUNNING.name && training.states?.[name] === undefined ? undefined : { kind: 'steady', name };
