import { SmEdgeError, toErrorRecord } from '../base/errors.js';
import { SharedLane } from '../base/shared-lane.js';
import { serveWorker } from '../base/worker-call.js';
import { LANE, writeError } from './lane-protocol.js';
import type { ModelManifest } from './manifest.js';
import { rawWidthOf } from './manifest-inputs.js';
import { type InputMatrix, type LoadedModel, loadModel, readModelFile } from './runtime.js';

export interface LoadRequest {
  readonly path: string;
  readonly manifest: ModelManifest;
  /** Number under which lanes ask for the model. */
  readonly id: number;
}

export interface RunRequest extends InputMatrix {
  readonly id: number;
}

const models = new Map<number, LoadedModel>();

function loaded(id: number): LoadedModel {
  const model = models.get(id);
  if (model === undefined) throw new SmEdgeError('MODEL_NOT_LOADED', 'the model is not loaded');
  return model;
}

async function serve(buffer: SharedArrayBuffer): Promise<void> {
  // onnxruntime takes no shared memory: the rows are copied out, into a piece that is used again and again.
  let scratch = new Float32Array(0);
  await new SharedLane(buffer).serve(async ({ words, values }) => {
    try {
      const model = loaded(words[LANE.model]!);
      const rows = words[LANE.count]!;
      const length = rows * rawWidthOf(model.manifest.inputs);
      if (scratch.length < length) scratch = new Float32Array(length);
      const matrix = scratch.subarray(0, length);
      matrix.set(values.subarray(0, length));
      const result = await model.run({ rows, values: matrix });
      values.set(result);
      words[LANE.model] = 1;
      words[LANE.count] = result.length;
    } catch (thrown) {
      words[LANE.count] = writeError(toErrorRecord(thrown), values);
      words[LANE.model] = 0;
    }
  });
}

serveWorker({
  lanes: (buffers: readonly SharedArrayBuffer[]) => {
    for (const buffer of buffers) void serve(buffer);
  },
  load: async ({ id, path, manifest }: LoadRequest) => {
    await models.get(id)?.release();
    models.set(id, await loadModel(await readModelFile(path, manifest), manifest));
  },
  run: ({ id, ...matrix }: RunRequest) => loaded(id).run(matrix),
  contributions: ({ id, ...matrix }: RunRequest) => loaded(id).contributions(matrix),
  release: async (id: number) => {
    const model = models.get(id);
    models.delete(id);
    await model?.release();
  },
});
