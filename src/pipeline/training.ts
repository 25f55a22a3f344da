import { SmEdgeError } from '../base/errors.js';
import type { FeatureVector } from '../features/spec.js';
import type { LearnedFrom } from '../scoring/learning/learned-from.js';
import { learnedModel } from '../scoring/learning/learned-model.js';
import { commonFeatures } from '../scoring/learning/scaler.js';
import { type Trial, trainDetector } from '../scoring/learning/train-detector.js';
import type { ModelManifest } from '../scoring/manifest.js';
import type { RecordingSet } from '../signals/recording-set.js';
import { isNormal } from './evaluation/fit-rule.js';
import { MachineRegistry } from './machines.js';
import { RecordingAnalysis } from './recording-windows.js';

/** Healthy windows of one point, and what they are windows of. */
export interface TrainingRows {
  readonly point: string;
  readonly rows: readonly FeatureVector[];
  readonly quantity: string;
  readonly unit: string;
  readonly sampleRateHz: number;
  readonly blockSamples: number;
  readonly files: number;
}

/**
 * Windows of the healthy recordings of a set: labelled normal, or of the split `train` where the manifest has one.
 * @param point to learn; the only one of the set where missing
 * Throws `TRAINING_POINT` where the set has several points, or recordings of several rates, or none that is healthy.
 */
export async function healthyRows(
  set: RecordingSet,
  point: string | undefined,
  onProgress?: (done: number, total: number, file: string) => void,
): Promise<TrainingRows> {
  const trainSplit = set.manifest.recordings.some(({ split }) => split === 'train');
  const healthy = set.manifest.recordings.filter(
    (entry) =>
      (point === undefined || entry.point === point) &&
      (trainSplit ? entry.split === 'train' && isNormal(entry.label ?? 'normal') : isNormal(entry.label)),
  );
  const points = [...new Set(healthy.map((entry) => entry.point))];
  if (points.length !== 1)
    throw new SmEdgeError(
      'TRAINING_POINT',
      points.length === 0
        ? 'the set has no recording labelled normal to learn from'
        : 'the set has several points',
      {
        hint: `Name one with --point: ${[...new Set(set.manifest.recordings.map((of) => of.point))].slice(0, 20).join(', ')}`,
      },
    );
  const analysis = new RecordingAnalysis(new MachineRegistry([]), false);
  const rows: FeatureVector[] = [];
  const kinds = new Map<string, Omit<TrainingRows, 'rows' | 'point' | 'files'>>();
  try {
    for (const [index, entry] of healthy.entries()) {
      onProgress?.(index, healthy.length, entry.file);
      const recording = await set.readRecording(entry);
      const context = analysis.contextOf(recording);
      for (const block of recording.blocks) {
        const spec = analysis.specOf(recording, context, block);
        const { sampleRateHz, unit, quantity, blockLength: blockSamples } = spec;
        kinds.set(`${sampleRateHz} Hz, ${unit}, blocks of ${blockSamples}`, {
          sampleRateHz,
          unit,
          quantity,
          blockSamples,
        });
        for await (const { features } of analysis.windows(block, spec)) rows.push(features);
      }
    }
  } finally {
    analysis.close();
  }
  if (kinds.size !== 1)
    throw new SmEdgeError(
      'TRAINING_POINT',
      `its recordings are of several kinds: ${[...kinds.keys()].join('; ')}`,
      {
        hint: 'A model is for one sample rate, unit and block length: make a set of one kind.',
      },
    );
  return { point: points[0]!, rows, ...[...kinds.values()][0]!, files: healthy.length };
}

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
