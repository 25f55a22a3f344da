import type { FeatureVector } from '../../features/spec.js';
import type { LearnedFrom } from '../../scoring/learning/learned-from.js';
import { learnedModel } from '../../scoring/learning/learned-model.js';
import { commonFeatures } from '../../scoring/learning/scaler.js';
import { type Trial, trainDetector } from '../../scoring/learning/train-detector.js';
import type { ModelManifest } from '../../scoring/manifest.js';

export interface LearnOptions {
  readonly name: string;
  readonly version: string;
  /** Mean time between false alarms that is wanted, ms. */
  readonly falseAlarmIntervalMs: number;
  /** Time between the starts of two windows, ms. */
  readonly windowIntervalMs: number;
  readonly seed: number;
  readonly data: string;
  readonly terms: string;
  readonly createdAt?: string;
  /** The version that it is to take the place of. */
  readonly parentVersion?: string;
  readonly finished?: readonly Trial[];
  readonly onTrial?: (trial: Trial, done: number, total: number) => void | Promise<void>;
}

export interface Learned {
  readonly model: Uint8Array;
  readonly manifest: ModelManifest;
  readonly detector: string;
  readonly trials: readonly { readonly detector: string; readonly detected: number }[];
  /** Operating states that were learned; empty where the machine has but one. */
  readonly states: readonly LearnedState[];
}

/** What was learned of one operating state. */
export interface LearnedState {
  readonly state: string;
  /** Healthy windows. */
  readonly rows: number;
  readonly threshold: number;
  /** Too few for a threshold of its own: the overall one counts. */
  readonly thin: boolean;
}

/** Rows to learn from, and what they are rows of; what is unknown binds the model to nothing. */
export interface LearnRows {
  readonly rows: readonly FeatureVector[];
  readonly quantity: string;
  readonly unit?: string;
  readonly sampleRateHz?: number;
  readonly blockSamples?: number;
  /** Operating state of each row. */
  readonly states?: readonly string[];
}

/** Learns a model of a healthy point and writes it as ONNX with its manifest. */
export async function learn(
  { rows, quantity, unit, sampleRateHz, blockSamples, states }: LearnRows,
  options: LearnOptions,
): Promise<Learned> {
  const { name, version, data, terms, createdAt, parentVersion } = options;
  const trained = await trainDetector(rows, commonFeatures(rows), {
    falseAlarmProbability: Math.min(0.01, options.windowIntervalMs / options.falseAlarmIntervalMs),
    seed: options.seed,
    ...(states === undefined ? {} : { states }),
    ...(options.finished === undefined ? {} : { finished: options.finished }),
    ...(options.onTrial === undefined ? {} : { onTrial: options.onTrial }),
  });
  const from: LearnedFrom = {
    ...{ name, version, quantity, data, terms },
    ...(unit === undefined ? {} : { unit }),
    ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
    ...(blockSamples === undefined ? {} : { blockSamples }),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(parentVersion === undefined ? {} : { parentVersion }),
  };
  const { model, manifest } = learnedModel(trained, rows, from, states);
  return {
    model,
    manifest,
    detector: trained.detector.kind,
    states: [...(trained.states ?? [])].map(([state, { rows: count, limit }]) => ({
      state,
      rows: count,
      threshold: manifest.threshold.states?.[state]?.value ?? manifest.threshold.value,
      thin: limit === undefined,
    })),
    trials: trained.trials.map(({ kind, detected }) => ({ detector: kind, detected })),
  };
}
