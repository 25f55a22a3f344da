import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { modelKey } from './model-key.js';

/**
 * The one place that touches onnxruntime-node. Imported only by what runs off the main thread (worker.ts) or in a
 * process of its own (quarantine-child.ts): `run()` blocks the thread that calls it.
 */

/** Rows of features in the order of the manifest, before its scaler. */
export interface FeatureMatrix {
  readonly rows: number;
  /** rows x features, row by row. */
  readonly values: Float32Array;
}

export interface LoadedModel {
  readonly manifest: ModelManifest;
  /** Raw output of the model, one value per row. */
  score(matrix: FeatureMatrix): Promise<Float32Array>;
  /** The manifest's `output.contributions`, rows x features. */
  contributions(matrix: FeatureMatrix): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Reads the model file and holds it against the manifest: `MODEL_CORRUPT` where unreadable, `MODEL_CHECKSUM` where it differs. */
export async function readModelFile(path: string, manifest: ModelManifest): Promise<Uint8Array> {
  const key = modelKey(manifest);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new SmEdgeError('MODEL_CORRUPT', `${key}: cannot read ${path}: ${(cause as Error).message}`, {
      hint: 'Pull the model again.',
      cause,
    });
  }
  const hint = 'The download was cut short or altered, or the storage is failing: pull the model again.';
  const { sizeBytes, sha256 } = manifest.file;
  if (bytes.length !== sizeBytes)
    throw new SmEdgeError(
      'MODEL_CHECKSUM',
      `${key}: model.onnx has ${bytes.length} bytes, its manifest says ${sizeBytes}`,
      { hint },
    );
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== sha256)
    throw new SmEdgeError(
      'MODEL_CHECKSUM',
      `${key}: model.onnx has sha256 ${actual.slice(0, 12)}…, its manifest says ${sha256.slice(0, 12)}…`,
      { hint },
    );
  return bytes;
}

const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  // One thread that sleeps when idle: the default pool takes every core and spins between runs.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
};

/** Makes a session of the bytes; `MODEL_CORRUPT` where onnxruntime refuses them, `MODEL_INPUTS` where the graph is not what the manifest says. */
export async function loadModel(bytes: Uint8Array, manifest: ModelManifest): Promise<LoadedModel> {
  const key = modelKey(manifest);
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(bytes, SESSION_OPTIONS);
  } catch (cause) {
    throw new SmEdgeError(
      'MODEL_CORRUPT',
      `${key}: onnxruntime does not load model.onnx: ${firstLine((cause as Error).message)}`,
      {
        hint: 'Export the model again (opset 13 is known to every gateway) and register a new version.',
        cause,
      },
    );
  }
  try {
    checkGraph(session, manifest);
  } catch (thrown) {
    await session.release();
    throw thrown;
  }

  const { inputs, output } = manifest;
  const width = inputs.features.length;
  const run = async (
    matrix: FeatureMatrix,
    fetch: string,
  ): Promise<{ values: Float32Array; columns: number }> => {
    const feed = new Tensor('float32', scaled(matrix, manifest), [matrix.rows, width]);
    let result: Tensor | undefined;
    try {
      result = (await session.run({ [inputs.tensor]: feed }, [fetch]))[fetch];
    } catch (cause) {
      throw new SmEdgeError('MODEL_RUN', `${key}: ${firstLine((cause as Error).message)}`, { cause });
    }
    const values = result?.data;
    if (!(values instanceof Float32Array) || values.length % matrix.rows !== 0)
      throw new SmEdgeError('MODEL_RUN', `${key}: output ${fetch} is not float32 with a row per input row`);
    return { values, columns: values.length / matrix.rows };
  };

  return {
    manifest,
    async score(matrix) {
      const { values, columns } = await run(matrix, output.tensor);
      if (output.column >= columns)
        throw new SmEdgeError('MODEL_RUN', `${key}: output ${output.tensor} has no column ${output.column}`);
      return Float32Array.from({ length: matrix.rows }, (_, row) => values[row * columns + output.column]!);
    },
    async contributions(matrix) {
      if (output.contributions === undefined)
        throw new SmEdgeError('MODEL_RUN', `${key} gives no contributions`);
      const { values, columns } = await run(matrix, output.contributions.tensor);
      if (columns !== width)
        throw new SmEdgeError('MODEL_RUN', `${key}: ${columns} contributions for ${width} features`);
      return values;
    },
    release: () => session.release(),
  };
}

function checkGraph(session: InferenceSession, { name, version, inputs, output }: ModelManifest): void {
  const fail = (message: string): SmEdgeError =>
    new SmEdgeError('MODEL_INPUTS', `${name}/${version}: ${message}`, {
      hint: 'Make the manifest say what the graph has (docs/models.md) and register a new version.',
    });
  const [input, ...others] = session.inputMetadata;
  if (input === undefined || others.length > 0 || input.name !== inputs.tensor)
    throw fail(
      `the graph takes ${session.inputNames.join(', ') || 'nothing'}, the manifest ${inputs.tensor}`,
    );
  if (!input.isTensor || input.type !== 'float32') throw fail(`input ${input.name} is not a float32 tensor`);
  const [, width] = input.shape;
  if (input.shape.length !== 2 || (typeof width === 'number' && width !== inputs.features.length))
    throw fail(
      `input ${input.name} has shape [${input.shape.join(', ')}], the manifest ${inputs.features.length} features`,
    );
  for (const wanted of [output.tensor, output.contributions?.tensor])
    if (wanted !== undefined && !session.outputNames.includes(wanted))
      throw fail(`the graph gives ${session.outputNames.join(', ')}, the manifest wants ${wanted}`);
}

function scaled({ values }: FeatureMatrix, { scaler }: ModelManifest): Float32Array {
  if (scaler.kind === 'in-graph') return values;
  const { center, scale } = scaler;
  return values.map((value, i) => (value - center[i % center.length]!) / scale[i % scale.length]!);
}

const firstLine = (message: string): string => message.split('\n')[0]!.slice(0, 300);
