import { goldenMatrix } from './golden.js';
import { checkModelGraph } from './graph-gate.js';
import type { ModelManifest } from './manifest.js';
import { explainedBy } from './manifest-inputs.js';
import { hasShares } from './manifest-output.js';
import { loadModel, readModelFile } from './runtime.js';

/**
 * Loads a model for the first time and gives what it makes of its golden inputs. Only for a process that may die of it.
 * Throws `MODEL_CHECKSUM`, `MODEL_CORRUPT`, `MODEL_INPUTS` or `MODEL_RUN`.
 */
export async function tryModel(path: string, manifest: ModelManifest): Promise<Float32Array> {
  const bytes = await readModelFile(path, manifest);
  checkModelGraph(bytes);
  const model = await loadModel(bytes, manifest);
  try {
    const outputs = Float32Array.from(await model.run(goldenMatrix(manifest)));
    if (hasShares(manifest.output) && explainedBy(manifest.inputs).length > 0)
      await model.contributions(goldenMatrix(manifest));
    return outputs;
  } finally {
    await model.release();
  }
}
