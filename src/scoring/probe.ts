import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.js';
import { type ErrorRecord, fromErrorRecord, SmEdgeError } from '../base/errors.js';
import { disableLibraryTelemetry } from '../base/telemetry.js';
import type { RuntimeFacts } from './runtime-probe.js';

/** What a process of its own found out about ONNX on this processor. */
export type RuntimeProbe =
  | (RuntimeFacts & { readonly ok: true; readonly cores: number; readonly tookMs: number })
  | { readonly ok: false; readonly error: SmEdgeError; readonly tookMs: number };

const CHILD = fileURLToPath(new URL('./probe-child.js', import.meta.url));
/** The slowest board that we support takes about 3 s to start a process and a session. */
const TIMEOUT_MS = 20_000;
const HINT =
  'Points are scored by their baselines. Install the build of onnxruntime-node for this processor, or use a 64-bit processor that it supports (x86-64 with SSE4.1, arm64); then restart.';

type Answer = (RuntimeFacts & { readonly cores: number }) | { readonly error: ErrorRecord };

/** A probe under way. */
export interface ProbeUnderWay {
  /** Never rejects. */
  readonly result: Promise<RuntimeProbe>;
  /** Ends the process; the result then says so. */
  cancel(): void;
}

/**
 * Does onnxruntime run here at all? Tried in a process of its own: where the processor lacks an instruction that the
 * library uses, the process that loads it dies at once, and no error can be caught.
 * @param child tried in place of the usual one, in tests
 */
export function probeOnnx(clock: Clock, timeoutMs = TIMEOUT_MS, child = CHILD): ProbeUnderWay {
  disableLibraryTelemetry();
  const startMs = clock.monotonicMs();
  const process = fork(child, [], {
    execArgv: ['--max-old-space-size=128'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let settle: (probe: RuntimeProbe) => void = () => undefined;
  const result = new Promise<RuntimeProbe>((resolve) => {
    settle = resolve;
  });
  const finish = (found: (RuntimeFacts & { readonly cores: number }) | SmEdgeError) => {
    timer.cancel();
    process.removeAllListeners();
    process.on('error', () => undefined);
    process.kill('SIGKILL');
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    settle(
      found instanceof SmEdgeError ? { ok: false, error: found, tookMs } : { ok: true, ...found, tookMs },
    );
  };
  const fail = (message: string, hint = HINT) =>
    finish(new SmEdgeError('ONNX_RUNTIME', `onnxruntime does not run here: ${message}`, { hint }));
  const timer = clock.setTimer('onnxruntime probe', timeoutMs, () =>
    fail(`its test did not end within ${timeoutMs} ms`),
  );
  process.once('message', (answer: Answer) => {
    if ('error' in answer) fail(fromErrorRecord(answer.error).message);
    else finish(answer);
  });
  process.once('error', (cause) => fail(`no process to try it in (${cause.message})`, 'Free some memory.'));
  process.once('exit', (code, signal) => fail(causeOf(code, signal)));
  return { result, cancel: () => fail('the probe was stopped', 'Try again.') };
}

function causeOf(code: number | null, signal: string | null): string {
  if (signal === 'SIGILL') return 'this processor lacks an instruction that it uses (SIGILL)';
  return `the process that tried it died (${signal ?? `code ${code}`})`;
}
