import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { SmEdgeError } from '../base/errors.js';
import { loadFft } from '../features/fft.js';
import { checkShapes, type GraphInput } from './graph-shapes.js';
import type { ModelManifest } from './manifest.js';
import { explainedBy } from './manifest-inputs.js';
import { tensorsOf } from './manifest-output.js';
import { modelKey } from './model-key.js';
import { errorShares, meanSquareError, type OutputTable, probabilitiesOf } from './outputs.js';
import { createPreparation, type Preparation } from './prepare.js';
import { MODEL_THREADS } from './runtime-limits.js';

/**
 * The one place that touches onnxruntime-node. Imported only by what runs off the main thread (worker.ts) or in a
 * process of its own (quarantine-child.ts): `run()` blocks the thread that calls it.
 */

/** Rows of what goes in, in the order of the manifest, before its normalisation and scaler. */
export interface InputMatrix {
  readonly rows: number;
  /** rows x `rawWidthOf`, row by row. Taken over: what is done to them is done in place. */
  readonly values: Float32Array;
}

export interface LoadedModel {
  readonly manifest: ModelManifest;
  /** What comes out, rows x `outputWidthOf`: raw score, probabilities, mean square error, or expected, lower, upper. */
  run(matrix: InputMatrix): Promise<Float32Array>;
  /** The share of each feature (mel band) in the score, rows x `explainedBy`, where the model has one (`hasShares`). */
  contributions(matrix: InputMatrix): Promise<Float32Array>;
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

export const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: MODEL_THREADS,
  interOpNumThreads: MODEL_THREADS,
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
    const message = firstLine((cause as Error).message);
    throw new SmEdgeError('MODEL_CORRUPT', `${key}: onnxruntime does not load model.onnx: ${message}`, {
      hint: loadHint(message),
      cause,
    });
  }
  try {
    const graph = checkShapes(manifest, session.inputMetadata, session.outputMetadata);
    const library = manifest.inputs.kind === 'spectrogram' ? await loadFft() : undefined;
    return new SessionModel(session, manifest, graph, createPreparation(manifest, library));
  } catch (thrown) {
    await session.release();
    throw thrown;
  }
}

class SessionModel implements LoadedModel {
  readonly manifest: ModelManifest;
  readonly #session: InferenceSession;
  readonly #graph: GraphInput;
  readonly #preparation: Preparation;
  readonly #outputs: readonly string[];

  constructor(
    session: InferenceSession,
    manifest: ModelManifest,
    graph: GraphInput,
    preparation: Preparation,
  ) {
    this.#session = session;
    this.manifest = manifest;
    this.#graph = graph;
    this.#preparation = preparation;
    const { output } = manifest;
    this.#outputs =
      output.kind === undefined || output.kind === 'score' ? [output.tensor] : tensorsOf(output);
  }

  async run({ rows, values }: InputMatrix): Promise<Float32Array> {
    const { output } = this.manifest;
    const fed = this.#preparation.feed(values, rows);
    const tables = await this.#tables(fed, rows, this.#outputs);
    const table = tables[0]!;
    switch (output.kind) {
      case 'classes':
        this.#wantColumns(output.tensor, table, table.columns === 1 ? 1 : output.labels.length);
        return probabilitiesOf(output, table, rows);
      case 'reconstruction':
        return meanSquareError(...this.#errorPair(fed, table, rows), rows);
      case 'forecast': {
        const out = new Float32Array(rows * 3);
        for (const [k, { tensor, column }] of [output, output.lower, output.upper].entries())
          this.#column(tensor, tables[this.#outputs.indexOf(tensor)]!, column, rows, out, k, 3);
        return out;
      }
      default: {
        if (table.columns === 1 && output.column === 0) return table.values;
        const out = new Float32Array(rows);
        this.#column(output.tensor, table, output.column, rows, out, 0, 1);
        return out;
      }
    }
  }

  async contributions({ rows, values }: InputMatrix): Promise<Float32Array> {
    const { inputs, output } = this.manifest;
    const fed = this.#preparation.feed(values, rows);
    const width = explainedBy(inputs).length;
    if (output.kind === 'reconstruction' && width > 0) {
      const [table] = await this.#tables(fed, rows, this.#outputs);
      return errorShares(inputs, ...this.#errorPair(fed, table!, rows), rows);
    }
    if ((output.kind === 'score' || output.kind === undefined) && output.contributions !== undefined) {
      const { tensor } = output.contributions;
      const [table] = await this.#tables(fed, rows, [tensor]);
      this.#wantColumns(tensor, table!, width);
      return table!.values;
    }
    throw new SmEdgeError('MODEL_RUN', `${modelKey(this.manifest)} gives no contributions`);
  }

  async release(): Promise<void> {
    this.#preparation.close();
    await this.#session.release();
  }

  async #tables(fed: Float32Array, rows: number, fetch: readonly string[]): Promise<OutputTable[]> {
    if (!this.#graph.oneByOne || rows === 1) return this.#runOnce(fed, rows, fetch);
    const width = fed.length / rows;
    const parts: OutputTable[][] = [];
    for (let row = 0; row < rows; row++)
      parts.push(await this.#runOnce(fed.subarray(row * width, (row + 1) * width), 1, fetch));
    return fetch.map((_, k) => {
      const { columns } = parts[0]![k]!;
      const values = new Float32Array(rows * columns);
      parts.forEach((part, row) => {
        values.set(part[k]!.values, row * columns);
      });
      return { values, columns };
    });
  }

  async #runOnce(fed: Float32Array, rows: number, fetch: readonly string[]): Promise<OutputTable[]> {
    const { manifest } = this;
    const feed = new Tensor('float32', fed, [rows, ...this.#graph.dims]);
    let results: InferenceSession.OnnxValueMapType;
    try {
      results = await atOnce(() => this.#session.run({ [manifest.inputs.tensor]: feed }, fetch));
    } catch (cause) {
      throw new SmEdgeError('MODEL_RUN', `${modelKey(manifest)}: ${firstLine((cause as Error).message)}`, {
        cause,
      });
    }
    return fetch.map((name) => {
      const values = (results[name] as Tensor | undefined)?.data;
      if (!(values instanceof Float32Array) || values.length === 0 || values.length % rows !== 0)
        throw new SmEdgeError(
          'MODEL_RUN',
          `${modelKey(manifest)}: output ${name} is not float32 with a row per input row`,
        );
      return { values, columns: values.length / rows };
    });
  }

  /** What went in and what was rebuilt, in the space that the manifest names. */
  #errorPair(fed: Float32Array, table: OutputTable, rows: number): [Float32Array, Float32Array] {
    const { output } = this.manifest;
    this.#wantColumns(output.tensor, table, fed.length / rows);
    if (output.kind === 'reconstruction' && output.space === 'raw') this.#preparation.unscale(fed);
    return [fed, table.values];
  }

  #wantColumns(tensor: string, { columns }: OutputTable, wanted: number): void {
    if (columns !== wanted)
      throw new SmEdgeError(
        'MODEL_RUN',
        `${modelKey(this.manifest)}: output ${tensor} has ${columns} values a row, not ${wanted}`,
      );
  }

  #column(
    tensor: string,
    { values, columns }: OutputTable,
    column: number,
    rows: number,
    out: Float32Array,
    at: number,
    stride: number,
  ): void {
    if (column >= columns)
      throw new SmEdgeError(
        'MODEL_RUN',
        `${modelKey(this.manifest)}: output ${tensor} has no column ${column}`,
      );
    for (let row = 0; row < rows; row++) out[row * stride + at] = values[row * columns + column]!;
  }
}

/** What to do about what onnxruntime says. */
function loadHint(message: string): string {
  if (/opset/i.test(message))
    return 'The model is newer than the onnxruntime of this gateway: export it with opset 13 of ai.onnx and 3 of ai.onnx.ml (target_opset of skl2onnx and onnxmltools, opset_version of torch.onnx.export), or update the gateway.';
  if (/not a registered function|Could not find an implementation|NOT_IMPLEMENTED/i.test(message))
    return 'An operator or its number type is not known to this gateway: export in float32 with opset 13 and without operators of a vendor.';
  return 'Export the model again (opset 13 is known to every gateway) and register a new version.';
}

/**
 * onnxruntime-node puts each run off by a turn of the event loop (`setImmediate`), so that its caller may do something
 * else first. A thread that has nothing else to do loses a third of a short run by that: what would be put off is
 * called in place. Where a later version does not put it off in this way any more, nothing is changed by this.
 */
function atOnce<T>(start: () => Promise<T>): Promise<T> {
  const { setImmediate: later } = globalThis;
  globalThis.setImmediate = ((work: () => void) => work()) as unknown as typeof later;
  try {
    return start();
  } finally {
    globalThis.setImmediate = later;
  }
}

const firstLine = (message: string): string => message.split('\n')[0]!.slice(0, 300);
