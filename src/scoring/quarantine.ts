import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.js';
import { type ErrorRecord, fromErrorRecord, SmEdgeError } from '../base/errors.js';
import { disableLibraryTelemetry } from '../base/telemetry.js';
import { checkGolden } from './golden.js';
import type { ModelManifest } from './manifest.js';
import { modelKey } from './model-key.js';

/** Runs a model for the first time; resolves once it loads and gives its golden outputs. */
export type Quarantine = (path: string, manifest: ModelManifest) => Promise<void>;

const CHILD = fileURLToPath(new URL('./quarantine-child.js', import.meta.url));
/** The slowest board that we support loads a 64 MiB model in under 10 s. */
const TIMEOUT_MS = 30_000;

type Answer = { readonly outputs: number[] } | { readonly error: ErrorRecord };

/**
 * Tries a model in a process of its own, since a worker thread does not survive what a native library may do with a
 * hostile file: a segmentation fault, an illegal instruction, all of the memory, or no end.
 * Throws `MODEL_CHECKSUM`, `MODEL_CORRUPT`, `MODEL_INPUTS` or `MODEL_GOLDEN`.
 */
export function quarantine(clock: Clock, timeoutMs = TIMEOUT_MS): Quarantine {
  return async (path, manifest) => {
    disableLibraryTelemetry();
    checkGolden(manifest, await outputsInChild(clock, timeoutMs, path, manifest));
  };
}

function outputsInChild(
  clock: Clock,
  timeoutMs: number,
  path: string,
  manifest: ModelManifest,
): Promise<number[]> {
  const key = modelKey(manifest);
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, [], {
      execArgv: ['--max-old-space-size=256'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const finish = (settle: () => void) => {
      timer.cancel();
      child.removeAllListeners();
      // A child killed before it was ready reports errors nobody waits for any more.
      child.on('error', () => undefined);
      child.kill('SIGKILL');
      settle();
    };
    const fail = (message: string, hint: string) =>
      finish(() => reject(new SmEdgeError('MODEL_CORRUPT', `${key}: ${message}`, { hint })));
    const timer = clock.setTimer('model quarantine', timeoutMs, () =>
      fail(
        `model.onnx did not give its golden outputs within ${timeoutMs} ms`,
        'The model is too large for this gateway, or it does not end.',
      ),
    );
    child.once('message', (answer: Answer) =>
      finish(() => ('error' in answer ? reject(fromErrorRecord(answer.error)) : resolve(answer.outputs))),
    );
    child.once('error', (cause) => fail(`no process to try it in: ${cause.message}`, 'Free some memory.'));
    child.once('exit', (code, signal) =>
      fail(
        `the process that tried model.onnx died (${signal ?? `code ${code}`})`,
        'The file is broken or hostile, or onnxruntime does not run on this processor.',
      ),
    );
    child.send({ path, manifest });
  });
}
