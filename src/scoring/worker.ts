import { SmEdgeError } from '../base/errors.js';
import { serveWorker } from '../base/worker-call.js';
import type { ModelManifest } from './manifest.js';
import { type InputMatrix, type LoadedModel, loadModel, readModelFile } from './runtime.js';

export interface LoadRequest {
  readonly key: string;
  readonly path: string;
  readonly manifest: ModelManifest;
}

export interface RunRequest extends InputMatrix {
  readonly key: string;
}

const models = new Map<string, LoadedModel>();

function loaded(key: string): LoadedModel {
  const model = models.get(key);
  if (model === undefined) throw new SmEdgeError('MODEL_NOT_LOADED', `the model ${key} is not loaded`);
  return model;
}

serveWorker({
  load: async ({ key, path, manifest }: LoadRequest) => {
    const model = await loadModel(await readModelFile(path, manifest), manifest);
    await models.get(key)?.release();
    models.set(key, model);
  },
  run: ({ key, ...matrix }: RunRequest) => loaded(key).run(matrix),
  contributions: ({ key, ...matrix }: RunRequest) => loaded(key).contributions(matrix),
  release: async (key: string) => {
    await models.get(key)?.release();
    models.delete(key);
  },
});
