import type { Clock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import { WorkerClient } from '../base/worker-call.js';
import type { Job } from './batch-queue.js';
import { ScoringLanes, tooLate } from './lanes.js';
import { rawWidthOf } from './manifest-inputs.js';
import { outputWidthOf } from './manifest-output.js';
import type { StoredModel } from './model-store.js';
import type { ProbeUnderWay } from './probe.js';
import type { LoadRequest, RunRequest } from './worker.js';

/** Calls by message that may wait: loads, releases, explanations and batches too large for a lane. */
const MAX_PENDING = 64;
/** The first load starts thread and onnxruntime too: seconds, on a small board with other work. */
const LOAD_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 2_000;

/** A model that took the worker down, or ran past its deadline, rests before it is tried again. */
const REST: RetrySchedule = { initialMs: 5_000, maxMs: 3_600_000, factor: 4, jitter: 0, limit: Infinity };
const WORKER_FAULTS = new Set(['WORKER_CRASHED', 'WORKER_TIMEOUT']);

/** A model that this thread is to have, and what became of it there. */
export interface Resident {
  readonly model: StoredModel;
  /** Under which the worker knows it. */
  readonly id: number;
  /** The load in the present worker; a new worker starts without. */
  loading: Promise<void> | undefined;
  isLoaded: boolean;
  faults: number;
  restUntilMs: number;
}

export interface ScoringThreadOptions {
  readonly clock: Clock;
  /** Deadline of one batch, milliseconds. */
  readonly timeoutMs: number;
  readonly probe: ProbeUnderWay | undefined;
  /** The worker ended by itself; the next call begins another. */
  readonly onCrash: () => void;
}

/** The thread that onnxruntime runs in. A model that is resident survives a crash of it: it is loaded again. */
export class ScoringThread {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #worker: WorkerClient;
  readonly #probe: ProbeUnderWay | undefined;
  readonly #residents = new Set<Resident>();
  #lanes: ScoringLanes | undefined;
  #nextId = 1;

  constructor({ clock, timeoutMs, probe, onCrash }: ScoringThreadOptions) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#probe = probe;
    this.#worker = new WorkerClient({
      name: 'scoring',
      url: new URL('./worker.js', import.meta.url),
      clock,
      maxPending: MAX_PENDING,
      timeoutMs,
      native: true,
      onCrash: (error) => {
        onCrash();
        this.#endLanes(error);
        for (const resident of this.#residents) {
          resident.loading = undefined;
          resident.isLoaded = false;
        }
      },
    });
  }

  /** Not loaded yet: `ensureLoaded` does, and so does the first run. */
  adopt(model: StoredModel): Resident {
    const resident: Resident = {
      ...{ model, id: this.#nextId++, loading: undefined, isLoaded: false },
      ...{ faults: 0, restUntilMs: 0 },
    };
    this.#residents.add(resident);
    return resident;
  }

  /** @throws SmEdgeError what `readModelFile` and `loadModel` throw; `MODEL_RESTS` after it failed */
  async ensureLoaded(resident: Resident): Promise<void> {
    if (this.#clock.monotonicMs() < resident.restUntilMs)
      throw new SmEdgeError(
        'MODEL_RESTS',
        `the model ${resident.model.key} failed ${resident.faults} times and rests`,
        {
          retryable: true,
          hint: 'The point is scored by its baseline meanwhile; see the log for the failure.',
        },
      );
    resident.loading ??= this.#load(resident);
    const loading = resident.loading;
    try {
      await loading;
      if (resident.loading === loading) resident.isLoaded = true;
    } catch (thrown) {
      if (resident.loading === loading) resident.loading = undefined;
      throw thrown;
    }
  }

  /** Runs what the jobs pack as one batch, and answers them. A job that does not pack is told so by itself. */
  async run(resident: Resident, jobs: readonly Job[], onRun: () => void): Promise<void> {
    try {
      if (!resident.isLoaded) await this.ensureLoaded(resident);
      await this.#runBatch(resident, jobs, onRun);
      resident.faults = 0;
    } catch (thrown) {
      this.#noteFault(resident, toSmEdgeError(thrown, 'MODEL_RUN'));
      throw thrown;
    }
  }

  /** @returns rows x features that are explained */
  async contributions(resident: Resident, rows: number, values: Float32Array): Promise<Float32Array> {
    await this.ensureLoaded(resident);
    return this.#byMessage('contributions', resident, rows, values);
  }

  /** Of a model that could not be loaded: the worker has none of it. */
  disown(resident: Resident): void {
    this.#residents.delete(resident);
  }

  async release(resident: Resident): Promise<void> {
    this.disown(resident);
    await this.#worker.call('release', resident.id);
  }

  /** Ends the worker. A native call that hangs is abandoned after 2 s. */
  async close(): Promise<void> {
    this.#probe?.cancel();
    this.#residents.clear();
    this.#endLanes(new SmEdgeError('WORKER_CLOSED', 'the scoring worker was stopped'));
    await withDeadline(this.#clock, 'scoring worker end', CLOSE_TIMEOUT_MS, this.#worker.close()).catch(
      () => undefined,
    );
  }

  async #runBatch(resident: Resident, jobs: readonly Job[], onRun: () => void): Promise<void> {
    const { manifest, key } = resident.model;
    const width = rawWidthOf(manifest.inputs);
    const outWidth = outputWidthOf(manifest.output);
    const asked = jobs.reduce((sum, job) => sum + job.rows, 0);
    const lanes = this.#lanes;
    const lane = lanes?.take(asked * Math.max(width, outWidth));
    const values = lane?.values ?? new Float32Array(asked * width);
    const packed: Job[] = [];
    let rows = 0;
    for (const job of jobs)
      try {
        job.pack(values, rows * width);
        rows += job.rows;
        packed.push(job);
      } catch (thrown) {
        // One that does not fit must not cost the others their batch.
        job.reject(toSmEdgeError(thrown, 'MODEL_INPUTS'));
      }
    if (rows === 0) {
      if (lane !== undefined) lanes!.giveBack(lane);
      return;
    }
    onRun();
    const raw =
      lane === undefined
        ? await this.#byMessage('run', resident, rows, values.subarray(0, rows * width))
        : await lanes!.run(
            lane,
            { id: resident.id, rows },
            {
              clock: this.#clock,
              timeoutMs: this.#timeoutMs,
              onTimeout: () => this.#worker.giveUp(tooLate(key, this.#timeoutMs)),
            },
          );
    let at = 0;
    for (const job of packed) {
      job.resolve(packed.length === 1 ? raw : raw.subarray(at, at + job.rows * outWidth));
      at += job.rows * outWidth;
    }
  }

  async #byMessage(
    method: 'run' | 'contributions',
    resident: Resident,
    rows: number,
    values: Float32Array,
  ): Promise<Float32Array> {
    const request: RunRequest = { id: resident.id, rows, values };
    try {
      return await this.#worker.call<Float32Array>(method, request, [values.buffer as ArrayBuffer]);
    } catch (thrown) {
      this.#noteFault(resident, toSmEdgeError(thrown));
      throw thrown;
    }
  }

  /** Each batch under way fails with the worker: a model counts one fault, and one is enough for a rest. */
  #noteFault(resident: Resident, { code }: SmEdgeError): void {
    if (!WORKER_FAULTS.has(code) || this.#clock.monotonicMs() < resident.restUntilMs) return;
    resident.restUntilMs = this.#clock.monotonicMs() + (retryDelayMs(REST, resident.faults++, () => 0) ?? 0);
  }

  #endLanes(fault: SmEdgeError): void {
    this.#lanes?.end(fault);
    this.#lanes = undefined;
  }

  async #load({ id, model: { path, manifest } }: Resident): Promise<void> {
    const found = await this.#probe?.result;
    if (found?.ok === false) throw found.error;
    if (this.#lanes === undefined) {
      this.#lanes = new ScoringLanes();
      void this.#worker.call('lanes', this.#lanes.buffers).catch(() => undefined);
    }
    await this.#worker.call<void>('load', { id, path, manifest } satisfies LoadRequest, [], LOAD_TIMEOUT_MS);
  }
}
