import { writeFileSync } from 'node:fs';
import { toErrorRecord } from '../base/errors.js';
import { goldenMatrix } from './golden.js';
import { checkModelGraph } from './graph-gate.js';
import type { ModelManifest } from './manifest.js';
import { explainedBy } from './manifest-inputs.js';
import { hasShares } from './manifest-output.js';
import { loadModel, readModelFile } from './runtime.js';

/** The process in which an unknown model runs for the first time: it may die here, alone. */
process.once('message', async ({ path, manifest }: { path: string; manifest: ModelManifest }) => {
  try {
    // Where memory runs out the kernel ends this process first, not the daemon.
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Not Linux: nothing to ask for.
  }
  try {
    const bytes = await readModelFile(path, manifest);
    checkModelGraph(bytes);
    const model = await loadModel(bytes, manifest);
    const outputs = Array.from(await model.run(goldenMatrix(manifest)));
    if (hasShares(manifest.output) && explainedBy(manifest.inputs).length > 0)
      await model.contributions(goldenMatrix(manifest));
    process.send?.({ outputs });
  } catch (thrown) {
    process.send?.({ error: toErrorRecord(thrown, 'MODEL_CORRUPT') });
  }
  process.disconnect?.();
});
