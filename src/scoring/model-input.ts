import { SmEdgeError } from '../base/errors.js';
import type { FeatureVector } from '../features/spec.js';
import type { ModelManifest } from './manifest.js';
import { MODEL_LIMITS } from './manifest-parts.js';
import { modelKey } from './model-key.js';

/** The last steps of a point, oldest first; for a forecast they end `horizon` steps before `actual`. */
export interface StepsInput {
  readonly steps: readonly FeatureVector[];
  /** The value of the forecast feature that then came. */
  readonly actual?: number;
}

/** Samples of one window, in the unit of the point. */
export interface SamplesInput {
  readonly samples: Float32Array;
}

/** What a model scores, by `inputs.kind` of its manifest: a row of features, steps of them, or samples. */
export type ModelInput = FeatureVector | StepsInput | SamplesInput;

export const isSteps = (input: ModelInput): input is StepsInput => Array.isArray((input as StepsInput).steps);
export const isSamples = (input: ModelInput): input is SamplesInput =>
  (input as SamplesInput).samples instanceof Float32Array;

/** Inputs as the rows that go into the graph. One input is several rows where its window is cut into pieces. */
export interface PackedInputs {
  readonly rows: number;
  readonly values: Float32Array;
  /** Rows of each input; undefined where each is one. */
  readonly pieces: readonly number[] | undefined;
}

const MAX_BATCH_ROWS = 4096;
/** 64 MiB of float32. */
const MAX_BATCH_VALUES = 2 ** 24;

/** Steps that a row holds: one where the model takes a row of features. */
export const stepsOf = ({ inputs }: ModelManifest): number => (inputs.kind === 'sequence' ? inputs.steps : 1);

/** @throws SmEdgeError `MODEL_INPUTS` naming what is missing or no number */
export function packInputs(manifest: ModelManifest, inputs: readonly ModelInput[]): PackedInputs {
  if (inputs.length > MAX_BATCH_ROWS)
    throw unfit(manifest, `a batch has at most ${MAX_BATCH_ROWS} inputs, not ${inputs.length}`);
  const { kind } = manifest.inputs;
  return kind === 'block' || kind === 'spectrogram'
    ? packSamples(manifest, inputs)
    : packFeatures(manifest, manifest.inputs.features, inputs);
}

function packFeatures(
  manifest: ModelManifest,
  features: readonly string[],
  inputs: readonly ModelInput[],
): PackedInputs {
  const steps = stepsOf(manifest);
  const asSteps = manifest.inputs.kind === 'sequence' || manifest.output.kind === 'forecast';
  const rowWidth = steps * features.length;
  limitValues(manifest, inputs.length * rowWidth);
  const values = new Float32Array(inputs.length * rowWidth);
  for (let row = 0; row < inputs.length; row++) {
    const input = inputs[row]!;
    if (!asSteps) {
      packVector(manifest, features, input as FeatureVector, values, row * rowWidth);
      continue;
    }
    if (!isSteps(input) || input.steps.length !== steps)
      throw unfit(manifest, `needs ${steps} steps, has ${isSteps(input) ? input.steps.length : 'none'}`);
    for (let k = 0; k < steps; k++)
      packVector(manifest, features, input.steps[k]!, values, row * rowWidth + k * features.length);
  }
  return { rows: inputs.length, values, pieces: undefined };
}

function packVector(
  manifest: ModelManifest,
  features: readonly string[],
  vector: FeatureVector,
  values: Float32Array,
  at: number,
): void {
  for (let j = 0; j < features.length; j++) {
    const feature = features[j]!;
    const value = vector[feature];
    values[at + j] = value as number;
    // What float32 cannot hold is infinite there; what is missing is NaN.
    if (!Number.isFinite(values[at + j]))
      throw unfit(manifest, `needs ${feature}, which is ${value}`, feature);
  }
}

function packSamples(manifest: ModelManifest, inputs: readonly ModelInput[]): PackedInputs {
  const { inputs: wanted } = manifest;
  if (wanted.kind !== 'block' && wanted.kind !== 'spectrogram')
    throw new SmEdgeError('INTERNAL', `${modelKey(manifest)} takes no samples`);
  const { samples: length } = wanted;
  const pieces = inputs.map((input) => {
    const had = isSamples(input) ? input.samples.length : 0;
    if (had < length) throw unfit(manifest, `needs ${length} samples, has ${had}`);
    return wanted.pieces === 'last' ? 1 : Math.min(MODEL_LIMITS.pieces, Math.floor(had / length));
  });
  const rows = pieces.reduce((sum, count) => sum + count, 0);
  limitValues(manifest, rows * length);
  const values = new Float32Array(rows * length);
  let row = 0;
  inputs.forEach((input, i) => {
    const { samples } = input as SamplesInput;
    // The newest samples of the window; what does not fill a piece is left out at its beginning.
    const taken = samples.subarray(samples.length - pieces[i]! * length);
    values.set(taken, row * length);
    row += pieces[i]!;
  });
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw unfit(manifest, `sample ${bad % length} is ${values[bad]}`);
  return { rows, values, pieces: wanted.pieces === 'last' ? undefined : pieces };
}

function limitValues(manifest: ModelManifest, count: number): void {
  if (count > MAX_BATCH_VALUES)
    throw unfit(manifest, `a batch has at most ${MAX_BATCH_VALUES} values, not ${count}`);
}

function unfit(manifest: ModelManifest, message: string, feature?: string): SmEdgeError {
  return new SmEdgeError(
    'MODEL_INPUTS',
    `${modelKey(manifest)} ${message}`,
    feature === undefined ? {} : { details: { feature } },
  );
}
