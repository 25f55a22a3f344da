import { SmEdgeError } from '../../base/errors.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { FeatureVector } from '../../features/spec.js';
import { compatibility, incompatible } from '../../scoring/compatibility.js';
import { attribute } from '../../scoring/explain.js';
import { applyScaler, fitScaler } from '../../scoring/learning/scaler.js';
import type { ModelManifest } from '../../scoring/manifest.js';
import { explainedBy } from '../../scoring/manifest-inputs.js';
import type { StoredModel } from '../../scoring/model-store.js';
import type { Scorer } from '../../scoring/scorer.js';
import { scoreIn, thresholdIn } from '../../scoring/state-thresholds.js';
import type { OperatingState } from '../../scoring/states/state.js';
import type { RecordingSet } from '../../signals/recording-set.js';
import { isNormal } from '../evaluation/fit-rule.js';
import { sightOf } from '../evaluation/sight.js';
import { MachineRegistry } from '../machines/machines.js';
import { type FeaturesOfFileOptions, featuresOfFile } from './features-of-file.js';
import { RecordingAnalysis } from './recording-windows.js';

/** A known recording that looks most like the one that is explained. */
export interface KnownCase {
  readonly file: string;
  readonly label: string;
  /** Root mean square of the differences of the model's inputs, in standard deviations of the known cases. */
  readonly distance: number;
}

/** Why a model scores a recording as it does. */
export interface Explanation {
  readonly file: string;
  readonly model: string;
  readonly score: number;
  readonly threshold: number;
  /** Operating state that the recording was said to be of. */
  readonly state?: string;
  /** Thresholds of the states that have one of their own, by name. */
  readonly thresholds?: Readonly<Record<string, number>>;
  readonly anomalous: boolean;
  /** Mean score of the usual. */
  readonly base: number;
  /** Shapley values of the inputs, the strongest first; they sum to score minus base. */
  readonly features: readonly {
    readonly feature: string;
    readonly value: number;
    readonly contribution: number;
  }[];
  /** The nearest healthy and the nearest faulty one; empty where no known cases were given. */
  readonly nearest: readonly KnownCase[];
  readonly diagnosis: Diagnosis;
  /** All of it in one sentence. */
  readonly sentence: string;
}

export interface ExplainFileOptions {
  readonly file: string;
  readonly recording: FeaturesOfFileOptions;
  readonly model: StoredModel;
  readonly scorer: Scorer;
  /** Operating state in which it was recorded; not known where missing: the overall threshold counts. */
  readonly state?: string;
  /** Its labelled recordings are the known cases. */
  readonly against?: RecordingSet;
  /** In place of `against`: the nearest healthy and faulty case that a gateway knows. */
  readonly known?: (features: FeatureVector) => readonly KnownCase[];
}

/** Explains the block of a recording that scores highest. Throws `MODEL_INPUTS` where the model does not fit the recording. */
export async function explainFile(options: ExplainFileOptions): Promise<Explanation> {
  const { file, model, scorer, against } = options;
  const { blocks: all, diagnosis, sampleRateHz } = await featuresOfFile(file, options.recording);
  // A flat line is a sensor that is torn off: no model was made for it.
  const blocks = all.filter(({ features }) => features.peakToPeak !== 0);
  if (blocks.length === 0)
    throw new SmEdgeError('FILE_FLAT', `${file} is a flat line: there is no vibration in it to explain`, {
      hint: 'Look at the sensor and its cable, and at the file: the recorder may have written another channel.',
    });
  stateOf(model, options.state);
  const { unit = 'g', quantity = unit === 'Pa' || unit === 'FS' ? 'sound-pressure' : 'acceleration' } =
    options.recording;
  const differences = compatibility(model.manifest, {
    ...{ quantity, unit, sampleRateHz, features: Object.keys(blocks[0]!.features) },
    ...(options.recording.blockLength === undefined ? {} : { blockSamples: options.recording.blockLength }),
  });
  if (differences.length > 0) throw incompatible(model.manifest, differences);
  const { kind } = model.manifest.inputs;
  if (kind !== 'features' || model.manifest.output.kind === 'forecast')
    throw new SmEdgeError(
      'MODEL_NOT_EXPLAINED',
      `${model.key} scores no single row of features but a ${kind}`,
      {
        hint: 'Replay the recording with this model: its scores and the diagnosis beside them say what it sees.',
      },
    );
  await scorer.load(model);
  const scores = await scorer.score(
    model.key,
    blocks.map(({ features }) => features),
  );
  const worst = scores.reduce((at, { score }, i) => (score > scores[at]!.score ? i : at), 0);
  const vector = blocks[worst]!.features;
  const { score, threshold, anomalous } = scoreIn(
    scores[worst]!,
    model.manifest,
    stateOf(model, options.state),
  );
  const inputs = explainedBy(model.manifest.inputs);
  const { values, base } = await attribute(scorer, model, vector);
  const features = inputs
    .map((feature, i) => ({ feature, value: vector[feature]!, contribution: values[i]! }))
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const nearest =
    against === undefined
      ? (options.known?.(vector) ?? [])
      : await nearestCases(vector, inputs, against, file);
  const told = {
    ...{ file, model: model.key, score, threshold, anomalous, base, features, nearest, diagnosis },
    ...thresholdsOf(model.manifest),
    ...(options.state === undefined ? {} : { state: options.state }),
  };
  return { ...told, sentence: sentenceOf(told) };
}

/** Thresholds of states, in the sign of the scores. */
function thresholdsOf(manifest: ModelManifest): Pick<Explanation, 'thresholds'> {
  const names = Object.keys(manifest.threshold.states ?? {});
  if (names.length === 0) return {};
  return {
    thresholds: Object.fromEntries(
      names.map((name) => [name, thresholdIn(manifest, { kind: 'steady', name })]),
    ),
  };
}

/** @throws SmEdgeError `MODEL_STATE` where the model knows no such state */
function stateOf({ key, manifest }: StoredModel, name: string | undefined): OperatingState | undefined {
  if (name === undefined) return undefined;
  const { threshold, training } = manifest;
  const known = [...new Set([...Object.keys(training.states ?? {}), ...Object.keys(threshold.states ?? {})])];
  if (known.includes(name)) return { kind: 'steady', name };
  throw new SmEdgeError('MODEL_STATE', `${key} knows no operating state ${name}`, {
    hint:
      known.length === 0
        ? 'It has one threshold for all states: leave --state out.'
        : `It knows ${known.join(', ')}.`,
  });
}

/** Of the recordings that have the model's inputs: the healthy and the faulty one that lie nearest. */
async function nearestCases(
  vector: FeatureVector,
  inputs: readonly string[],
  set: RecordingSet,
  file: string,
): Promise<KnownCase[]> {
  const analysis = new RecordingAnalysis(new MachineRegistry([]), false);
  const known: { file: string; label: string; features: FeatureVector }[] = [];
  try {
    for await (const recording of set.recordings()) {
      const { label } = recording;
      if (label === undefined || file.endsWith(recording.file)) continue;
      const { windows } = await sightOf(recording, analysis);
      const features = windows[windows.length >> 1];
      if (features !== undefined && inputs.every((name) => Number.isFinite(features[name])))
        known.push({ file: recording.file, label, features });
    }
  } finally {
    analysis.close();
  }
  if (known.length < 2) return [];
  const scaler = fitScaler(
    known.map(({ features }) => features),
    inputs,
  );
  const here = applyScaler(scaler, vector);
  const cases = known
    .map(({ features, ...of }) => {
      const there = applyScaler(scaler, features);
      const squares = there.reduce((sum, value, i) => sum + (value - here[i]!) ** 2, 0);
      return { ...of, distance: Math.sqrt(squares / inputs.length) };
    })
    .sort((a, b) => a.distance - b.distance);
  return [cases.find(({ label }) => isNormal(label)), cases.find(({ label }) => !isNormal(label))].filter(
    (of) => of !== undefined,
  );
}

const MOST_NAMED = 3;

function sentenceOf(told: Omit<Explanation, 'sentence'>): string {
  const { anomalous, features, nearest, diagnosis } = told;
  const raised = features
    .filter(({ contribution }) => contribution > 0)
    .slice(0, MOST_NAMED)
    .map(({ feature }) => feature);
  const physical =
    diagnosis.fault === 'normal' || diagnosis.fault === 'unknown'
      ? 'the physics of its vibration names no fault'
      : `the physics of its vibration says ${diagnosis.fault}`;
  const closest = [...nearest].sort((a, b) => a.distance - b.distance)[0];
  const like =
    closest === undefined ? '' : `; of the known cases it is most like ${closest.label} (${closest.file})`;
  if (!anomalous) return `To the model it looks like a healthy machine; ${physical}${like}.`;
  return `It is unlike the healthy machine above all by ${raised.join(', ')}; ${physical}${like}.`;
}
