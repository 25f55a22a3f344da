import { writeFileSync } from 'node:fs';
import { toErrorRecord } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { tryModel } from './trial.js';

/** The process in which an unknown model runs for the first time: it may die here, alone. */
process.once('message', async ({ path, manifest }: { path: string; manifest: ModelManifest }) => {
  try {
    // Where memory runs out the kernel ends this process first, not the daemon.
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Not Linux: nothing to ask for.
  }
  try {
    process.send?.({ outputs: Array.from(await tryModel(path, manifest)) });
  } catch (thrown) {
    process.send?.({ error: toErrorRecord(thrown, 'MODEL_CORRUPT') });
  }
  process.disconnect?.();
});
