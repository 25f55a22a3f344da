import type { Clock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import { disableLibraryTelemetry } from '../base/telemetry.js';
import { WorkerClient } from '../base/worker-call.js';
import { LANE_COUNT, LANE_VALUES } from './lane-protocol.js';
import { ScoringLanes, tooLate } from './lanes.js';
import { explainedBy, rawWidthOf } from './manifest-inputs.js';
import { hasShares, outputWidthOf } from './manifest-output.js';
import { isSteps, MAX_BATCH_ROWS, type ModelInput, packInputs, sizeOf } from './model-input.js';
import type { StoredModel } from './model-store.js';
import type { ProbeUnderWay } from './probe.js';
import type { FeatureVector, Score } from './score.js';
import { type Forecast, forecastsOf, scoresOf } from './score-of-output.js';
import type { LoadRequest, RunRequest } from './worker.js';

export interface ScorerOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Deadline of one batch, milliseconds. */
  readonly timeoutMs?: number;
  /** Whether onnxruntime runs here at all: no session is made before it is known, and none where it does not. */
  readonly probe?: ProbeUnderWay;
}

/** Calls by message that may wait: loads, releases, explanations and batches too large for a lane. */
const MAX_PENDING = 64;
const DEFAULT_TIMEOUT_MS = 5_000;
/** The first load starts thread and onnxruntime too: seconds, on a small board with other work. */
const LOAD_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 2_000;

/** A model that took the worker down, or ran past its deadline, rests before it is tried again. */
const REST: RetrySchedule = { initialMs: 5_000, maxMs: 3_600_000, factor: 4, jitter: 0, limit: Infinity };
const WORKER_FAULTS = new Set(['WORKER_CRASHED', 'WORKER_TIMEOUT']);

/** One call of `score`: several that wait together become one batch. */
interface Job {
  readonly rows: number;
  /** Writes its rows from a place on. */
  pack(out: Float32Array, at: number): void;
  resolve(raw: Float32Array): void;
  reject(error: SmEdgeError): void;
}

interface Entry {
  readonly model: StoredModel;
  /** Under which the worker knows it. */
  readonly id: number;
  /** The load in the present worker; a new worker starts without. */
  loading: Promise<void> | undefined;
  isLoaded: boolean;
  faults: number;
  restUntilMs: number;
  waiting: Job[];
  waitingRows: number;
  /** Batches under way. */
  running: number;
  isScheduled: boolean;
}

/**
 * ONNX models in a worker thread. A model that is loaded here survives a crash of the worker: it is loaded again.
 * Calls for the same model that come in the same turn of the event loop, or while its batches are under way, are
 * scored as one batch.
 */
export class Scorer {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #worker: WorkerClient;
  readonly #probe: ProbeUnderWay | undefined;
  readonly #entries = new Map<string, Entry>();
  #lanes: ScoringLanes | undefined;
  #nextId = 1;
  readonly #rows;
  readonly #batches;
  readonly #failures;
  readonly #restarts;

  constructor({ clock, metrics, timeoutMs = DEFAULT_TIMEOUT_MS, probe }: ScorerOptions) {
    disableLibraryTelemetry();
    this.#clock = clock;
    this.#probe = probe;
    this.#timeoutMs = timeoutMs;
    this.#rows = metrics.counter('sm_edge_scoring_rows_total', 'Inputs scored by a model.', ['model']);
    this.#batches = metrics.counter('sm_edge_scoring_batches_total', 'Runs of a model.', ['model']);
    this.#failures = metrics.counter('sm_edge_scoring_failures_total', 'Calls that no model scored.', [
      'code',
    ]);
    this.#restarts = metrics.counter('sm_edge_scoring_worker_restarts_total', 'Scoring workers that ended.');
    this.#worker = new WorkerClient({
      name: 'scoring',
      url: new URL('./worker.js', import.meta.url),
      clock,
      maxPending: MAX_PENDING,
      timeoutMs,
      native: true,
      onCrash: (error) => {
        this.#restarts.inc();
        this.#endLanes(error);
        for (const entry of this.#entries.values()) {
          entry.loading = undefined;
          entry.isLoaded = false;
        }
      },
    });
  }

  /** Keys of the models that were loaded and not released. */
  get loaded(): string[] {
    return [...this.#entries.keys()];
  }

  /** Loads a model and keeps it. Throws what `readModelFile` and `loadModel` throw; the model is then not kept. */
  async load(model: StoredModel): Promise<void> {
    const known = this.#entries.get(model.key);
    if (known !== undefined) return this.#ensureLoaded(known);
    const entry: Entry = {
      ...{ model, id: this.#nextId++, loading: undefined, isLoaded: false, faults: 0, restUntilMs: 0 },
      ...{ waiting: [], waitingRows: 0, running: 0, isScheduled: false },
    };
    this.#entries.set(model.key, entry);
    try {
      await this.#ensureLoaded(entry);
    } catch (thrown) {
      this.#entries.delete(model.key);
      throw thrown;
    }
  }

  /**
   * One score per input, in order. Throws a SmEdgeError where the model cannot score them (not loaded, a feature
   * missing, a failed worker, past the deadline): the caller then takes the baseline's score and says so.
   */
  score(key: string, inputs: readonly ModelInput[]): Promise<Score[]> {
    return this.#counted(async () => {
      const entry = this.#entry(key);
      const { manifest } = entry.model;
      const size = sizeOf(manifest, inputs);
      const raw = await this.#run(entry, size.rows, (out, at) => packInputs(manifest, inputs, size, out, at));
      const actuals =
        manifest.output.kind === 'forecast'
          ? inputs.map((input) => (isSteps(input) ? input.actual : undefined))
          : [];
      const scores = scoresOf(manifest, raw, size.pieces, actuals);
      this.#rows.inc({ model: key }, inputs.length);
      return scores;
    });
  }

  /**
   * Scores rows that are in the order of the manifest already, as its golden inputs are: without a look at names.
   * @param values rows x `rawWidthOf`
   */
  scoreRows(key: string, rows: number, values: Float32Array): Promise<Score[]> {
    return this.#counted(async () => {
      const entry = this.#entry(key);
      const { manifest } = entry.model;
      if (values.length !== rows * rawWidthOf(manifest.inputs) || rows > MAX_BATCH_ROWS)
        throw new SmEdgeError('MODEL_INPUTS', `${key} takes no ${rows} rows of ${values.length} values`);
      const raw = await this.#run(entry, rows, (out, at) => out.set(values, at));
      const scores = scoresOf(manifest, raw, undefined, []);
      this.#rows.inc({ model: key }, rows);
      return scores;
    });
  }

  /** What a forecast model expects `horizon` steps after the last one of each input, with its interval. */
  forecast(key: string, inputs: readonly ModelInput[]): Promise<Forecast[]> {
    return this.#counted(async () => {
      const entry = this.#entry(key);
      const { manifest } = entry.model;
      if (manifest.output.kind !== 'forecast') throw new SmEdgeError('MODEL_INPUTS', `${key} is no forecast`);
      const size = sizeOf(manifest, inputs);
      return forecastsOf(
        await this.#run(entry, size.rows, (out, at) => packInputs(manifest, inputs, size, out, at)),
      );
    });
  }

  /**
   * The share of each feature (mel band of an image) in the raw score of one input: as the model itself states it, or
   * of the error of a reconstruction; undefined where there is neither.
   */
  async contributions(key: string, input: ModelInput): Promise<FeatureVector | undefined> {
    const entry = this.#entry(key);
    const { manifest } = entry.model;
    const names = explainedBy(manifest.inputs);
    if (!hasShares(manifest.output) || names.length === 0) return undefined;
    return this.#counted(async () => {
      const size = sizeOf(manifest, [input]);
      const values = new Float32Array(size.rows * rawWidthOf(manifest.inputs));
      packInputs(manifest, [input], size, values, 0);
      await this.#ensureLoaded(entry);
      const shares = await this.#byMessage('contributions', entry, size.rows, values);
      // Of several pieces the newest one speaks.
      const last = (size.rows - 1) * names.length;
      return Object.fromEntries(names.map((name, i) => [name, shares[last + i]!]));
    });
  }

  async release(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    await this.#worker.call('release', entry.id);
  }

  /** Ends the worker. A native call that hangs is abandoned after 2 s. */
  async close(): Promise<void> {
    this.#probe?.cancel();
    this.#entries.clear();
    this.#endLanes(new SmEdgeError('WORKER_CLOSED', 'the scoring worker was stopped'));
    await withDeadline(this.#clock, 'scoring worker end', CLOSE_TIMEOUT_MS, this.#worker.close()).catch(
      () => undefined,
    );
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key);
    if (entry === undefined)
      throw new SmEdgeError('MODEL_NOT_LOADED', `the model ${key} is not loaded`, { hint: 'Load it first.' });
    return entry;
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'MODEL_RUN');
      this.#failures.inc({ code: error.code });
      throw error;
    }
  }

  /** What the model gives for these inputs, in the batch that leaves next. */
  #run(entry: Entry, rows: number, pack: Job['pack']): Promise<Float32Array> {
    if (rows === 0) return Promise.resolve(new Float32Array(0));
    if (entry.waitingRows > 0 && entry.waitingRows + rows > MAX_BATCH_ROWS)
      return Promise.reject(
        new SmEdgeError('WORKER_BUSY', `${entry.waitingRows} rows already wait for ${entry.model.key}`, {
          retryable: true,
        }),
      );
    return new Promise((resolve, reject) => {
      entry.waiting.push({ rows, pack, resolve, reject });
      entry.waitingRows += rows;
      if (entry.isScheduled) return;
      entry.isScheduled = true;
      queueMicrotask(() => {
        entry.isScheduled = false;
        this.#dispatch(entry);
      });
    });
  }

  /** Sends what waits: one batch runs while the next is written, and what comes meanwhile waits for both. */
  #dispatch(entry: Entry): void {
    while (entry.waiting.length > 0 && entry.running < LANE_COUNT) {
      const jobs = takeBatch(entry);
      entry.running++;
      void this.#score(entry, jobs).finally(() => {
        entry.running--;
        this.#dispatch(entry);
      });
    }
  }

  async #score(entry: Entry, jobs: readonly Job[]): Promise<void> {
    try {
      if (!entry.isLoaded) await this.#ensureLoaded(entry);
      await this.#runBatch(entry, jobs);
      entry.faults = 0;
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'MODEL_RUN');
      this.#noteFault(entry, error);
      for (const job of jobs) job.reject(error);
    }
  }

  async #runBatch(entry: Entry, jobs: readonly Job[]): Promise<void> {
    const { manifest, key } = entry.model;
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
    this.#batches.inc({ model: key });
    const raw =
      lane === undefined
        ? await this.#byMessage('run', entry, rows, values.subarray(0, rows * width))
        : await lanes!.run(
            lane,
            { id: entry.id, rows },
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
    entry: Entry,
    rows: number,
    values: Float32Array,
  ): Promise<Float32Array> {
    const request: RunRequest = { id: entry.id, rows, values };
    try {
      return await this.#worker.call<Float32Array>(method, request, [values.buffer as ArrayBuffer]);
    } catch (thrown) {
      this.#noteFault(entry, toSmEdgeError(thrown));
      throw thrown;
    }
  }

  /** Each batch under way fails with the worker: a model counts one fault, and one is enough for a rest. */
  #noteFault(entry: Entry, { code }: SmEdgeError): void {
    if (!WORKER_FAULTS.has(code) || this.#clock.monotonicMs() < entry.restUntilMs) return;
    entry.restUntilMs = this.#clock.monotonicMs() + (retryDelayMs(REST, entry.faults++, () => 0) ?? 0);
  }

  #endLanes(fault: SmEdgeError): void {
    this.#lanes?.end(fault);
    this.#lanes = undefined;
  }

  async #ensureLoaded(entry: Entry): Promise<void> {
    if (this.#clock.monotonicMs() < entry.restUntilMs)
      throw new SmEdgeError(
        'MODEL_RESTS',
        `the model ${entry.model.key} failed ${entry.faults} times and rests`,
        {
          retryable: true,
          hint: 'The point is scored by its baseline meanwhile; see the log for the failure.',
        },
      );
    entry.loading ??= this.#load(entry);
    const loading = entry.loading;
    try {
      await loading;
      if (entry.loading === loading) entry.isLoaded = true;
    } catch (thrown) {
      if (entry.loading === loading) entry.loading = undefined;
      throw thrown;
    }
  }

  async #load({ id, model: { path, manifest } }: Entry): Promise<void> {
    const found = await this.#probe?.result;
    if (found?.ok === false) throw found.error;
    if (this.#lanes === undefined) {
      this.#lanes = new ScoringLanes();
      void this.#worker.call('lanes', this.#lanes.buffers).catch(() => undefined);
    }
    await this.#worker.call<void>('load', { id, path, manifest } satisfies LoadRequest, [], LOAD_TIMEOUT_MS);
  }
}

/** The calls that wait, as far as one batch takes them: one at least. */
function takeBatch(entry: Entry): Job[] {
  const { inputs } = entry.model.manifest;
  const mostRows = Math.min(MAX_BATCH_ROWS, Math.floor(LANE_VALUES / rawWidthOf(inputs)));
  let rows = 0;
  let count = 0;
  for (const job of entry.waiting) {
    if (count > 0 && rows + job.rows > mostRows) break;
    rows += job.rows;
    count++;
  }
  entry.waitingRows -= rows;
  return entry.waiting.splice(0, count);
}
