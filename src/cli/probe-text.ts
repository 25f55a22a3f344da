import type { RuntimeProbe } from '../scoring/probe.js';
import { MODEL_THREADS } from '../scoring/runtime-limits.js';

/** What `models probe --json` prints. */
export function probeDocument(found: RuntimeProbe): object {
  if (found.ok) return { ...found, threads: MODEL_THREADS };
  const { code, message, hint } = found.error;
  return { ok: false, code, message, hint, tookMs: found.tookMs };
}

/** The same for people, in one sentence. */
export function probeSentence(found: RuntimeProbe): string {
  if (!found.ok) return `${found.error.message}. ${found.error.hint ?? ''}`;
  const { version, providers, cores, tookMs } = found;
  return `onnxruntime ${version} runs here: provider cpu (this build has ${providers.join(', ')}), ${MODEL_THREADS} of ${cores} cores for models, tried in ${tookMs} ms`;
}
