import { SmEdgeError } from '../base/errors.js';
import type { FeatureVector } from '../features/spec.js';
import type { ModelManifest } from './manifest.js';
import { rawWidthOf } from './manifest-inputs.js';
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

/** How many rows inputs make. One input is several rows where its window is cut into pieces. */
export interface BatchSize {
  readonly rows: number;
  /** Rows of each input; undefined where each is one. */
  readonly pieces: readonly number[] | undefined;
}

export const MAX_BATCH_ROWS = 4096;
/** 64 MiB of float32. */
const MAX_BATCH_VALUES = 2 ** 24;

/** Steps that a row holds: one where the model takes a row of features. */
export const stepsOf = ({ inputs }: ModelManifest): number => (inputs.kind === 'sequence' ? inputs.steps : 1);

/** @throws SmEdgeError `MODEL_INPUTS` where there are too many, or too few samples */
export function sizeOf(manifest: ModelManifest, inputs: readonly ModelInput[]): BatchSize {
  if (inputs.length > MAX_BATCH_ROWS)
    throw unfit(manifest, `takes at most ${MAX_BATCH_ROWS} inputs a batch, not ${inputs.length}`);
  const { inputs: wanted } = manifest;
  let rows = inputs.length;
  let pieces: number[] | undefined;
  if (wanted.kind === 'block' || wanted.kind === 'spectrogram') {
    const { samples: length } = wanted;
    for (const input of inputs) {
      const had = isSamples(input) ? input.samples.length : 0;
      if (had < length) throw unfit(manifest, `needs ${length} samples, has ${had}`);
    }
    if (wanted.pieces !== 'last') {
      pieces = inputs.map((input) =>
        Math.min(MODEL_LIMITS.pieces, Math.floor((input as SamplesInput).samples.length / length)),
      );
      rows = pieces.reduce((sum, count) => sum + count, 0);
    }
  }
  const values = rows * rawWidthOf(wanted);
  if (values > MAX_BATCH_VALUES)
    throw unfit(manifest, `takes at most ${MAX_BATCH_VALUES} values a batch, not ${values}`);
  return { rows, pieces };
}

/**
 * Writes inputs as the rows that go into the graph.
 * @param size of `sizeOf`
 * @param at place of the first value in `out`
 * @throws SmEdgeError `MODEL_INPUTS` naming what is missing or no number
 */
export function packInputs(
  manifest: ModelManifest,
  inputs: readonly ModelInput[],
  { pieces }: BatchSize,
  out: Float32Array,
  at: number,
): void {
  const { inputs: wanted } = manifest;
  if (wanted.kind === 'block' || wanted.kind === 'spectrogram')
    packSamples(manifest, wanted.samples, inputs, pieces, out, at);
  else packFeatures(manifest, wanted.features, inputs, out, at);
}

function packFeatures(
  manifest: ModelManifest,
  features: readonly string[],
  inputs: readonly ModelInput[],
  out: Float32Array,
  from: number,
): void {
  const steps = stepsOf(manifest);
  const asSteps = manifest.inputs.kind === 'sequence' || manifest.output.kind === 'forecast';
  let at = from;
  for (const input of inputs) {
    if (!asSteps) {
      packVector(manifest, features, input as FeatureVector, out, at);
      at += features.length;
      continue;
    }
    if (!isSteps(input) || input.steps.length !== steps)
      throw unfit(manifest, `needs ${steps} steps, has ${isSteps(input) ? input.steps.length : 'none'}`);
    for (const step of input.steps) {
      packVector(manifest, features, step, out, at);
      at += features.length;
    }
  }
}

/** Columns of the properties of a vector in their order; -1 for what the model does not look at. */
interface Layout {
  readonly keys: readonly string[];
  readonly columns: readonly number[];
}

/** Of the vectors seen last, by the features that are wanted: those of a point have their properties in one order. */
const layouts = new WeakMap<readonly string[], Layout>();

function packVector(
  manifest: ModelManifest,
  features: readonly string[],
  vector: FeatureVector,
  values: Float32Array,
  at: number,
): void {
  const known = layouts.get(features);
  if (known === undefined || !packInOrder(known, vector, values, at)) {
    if (!features.every((feature) => feature in vector)) packByName(manifest, features, vector, values, at);
    else {
      const keys = Object.keys(vector);
      const layout = { keys, columns: keys.map((key) => features.indexOf(key)) };
      layouts.set(features, layout);
      packInOrder(layout, vector, values, at);
    }
  }
  for (let i = at; i < at + features.length; i++)
    // What float32 cannot hold is infinite there.
    if (!Number.isFinite(values[i])) packByName(manifest, features, vector, values, at);
}

/** A walk over the properties in their order takes half the time of a look-up for each. */
function packInOrder(
  { keys, columns }: Layout,
  vector: FeatureVector,
  values: Float32Array,
  at: number,
): boolean {
  let i = 0;
  for (const key in vector) {
    if (key !== keys[i]) return false;
    const column = columns[i++]!;
    if (column >= 0) values[at + column] = vector[key]!;
  }
  return i === keys.length;
}

function packByName(
  manifest: ModelManifest,
  features: readonly string[],
  vector: FeatureVector,
  values: Float32Array,
  at: number,
): void {
  features.forEach((feature, j) => {
    values[at + j] = vector[feature] as number;
    if (!Number.isFinite(values[at + j]))
      throw unfit(manifest, `needs ${feature}, which is ${vector[feature]}`, feature);
  });
}

function packSamples(
  manifest: ModelManifest,
  length: number,
  inputs: readonly ModelInput[],
  pieces: readonly number[] | undefined,
  out: Float32Array,
  from: number,
): void {
  let at = from;
  inputs.forEach((input, i) => {
    const { samples } = input as SamplesInput;
    const taken = (pieces?.[i] ?? 1) * length;
    // The newest samples of the window; what does not fill a piece is left out at its beginning.
    out.set(samples.subarray(samples.length - taken), at);
    at += taken;
  });
  for (let i = from; i < at; i++)
    if (!Number.isFinite(out[i])) throw unfit(manifest, `needs samples, one of which is ${out[i]}`);
}

function unfit(manifest: ModelManifest, message: string, feature?: string): SmEdgeError {
  return new SmEdgeError(
    'MODEL_INPUTS',
    `${modelKey(manifest)} ${message}`,
    feature === undefined ? {} : { details: { feature } },
  );
}
