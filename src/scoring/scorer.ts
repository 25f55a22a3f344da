import type { Clock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import { disableLibraryTelemetry } from '../base/telemetry.js';
import { WorkerClient } from '../base/worker-call.js';
import { explainedBy } from './manifest-inputs.js';
import { hasShares } from './manifest-output.js';
import { isSteps, type ModelInput, packInputs } from './model-input.js';
import type { StoredModel } from './model-store.js';
import type { FeatureVector, Score } from './score.js';
import { type Forecast, forecastsOf, scoresOf } from './score-of-output.js';
import type { LoadRequest, RunRequest } from './worker.js';

export interface ScorerOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Deadline of one batch, milliseconds. */
  readonly timeoutMs?: number;
}

/** 64 points at once a second need one call; this many may wait while a slow model runs. */
const MAX_PENDING = 64;
const DEFAULT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;

/** A model that took the worker down, or ran past its deadline, rests before it is tried again. */
const REST: RetrySchedule = { initialMs: 5_000, maxMs: 3_600_000, factor: 4, jitter: 0, limit: Infinity };
const WORKER_FAULTS = new Set(['WORKER_CRASHED', 'WORKER_TIMEOUT']);

interface Entry {
  readonly model: StoredModel;
  /** The load in the present worker; a new worker starts without. */
  loading: Promise<void> | undefined;
  faults: number;
  restUntilMs: number;
}

/** ONNX models in a worker thread. A model that is loaded here survives a crash of the worker: it is loaded again. */
export class Scorer {
  readonly #clock: Clock;
  readonly #worker: WorkerClient;
  readonly #entries = new Map<string, Entry>();
  readonly #rows;
  readonly #failures;
  readonly #restarts;

  constructor({ clock, metrics, timeoutMs = DEFAULT_TIMEOUT_MS }: ScorerOptions) {
    disableLibraryTelemetry();
    this.#clock = clock;
    this.#rows = metrics.counter('sm_edge_scoring_rows_total', 'Feature vectors scored by a model.', [
      'model',
    ]);
    this.#failures = metrics.counter('sm_edge_scoring_failures_total', 'Batches that no model scored.', [
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
      onCrash: () => {
        this.#restarts.inc();
        for (const entry of this.#entries.values()) entry.loading = undefined;
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
    const entry: Entry = { model, loading: undefined, faults: 0, restUntilMs: 0 };
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
  async score(key: string, inputs: readonly ModelInput[]): Promise<Score[]> {
    const { raw, pieces } = await this.#run(key, 'run', inputs);
    const { manifest } = this.#entry(key).model;
    const actuals =
      manifest.output.kind === 'forecast'
        ? inputs.map((input) => (isSteps(input) ? input.actual : undefined))
        : [];
    try {
      const scores = scoresOf(manifest, raw, pieces, actuals);
      this.#rows.inc({ model: key }, inputs.length);
      return scores;
    } catch (thrown) {
      this.#failures.inc({ code: toSmEdgeError(thrown, 'MODEL_RUN').code });
      throw thrown;
    }
  }

  /** What a forecast model expects `horizon` steps after the last one of each input, with its interval. */
  async forecast(key: string, inputs: readonly ModelInput[]): Promise<Forecast[]> {
    if (this.#entry(key).model.manifest.output.kind !== 'forecast')
      throw new SmEdgeError('MODEL_INPUTS', `${key} is no forecast`);
    return forecastsOf((await this.#run(key, 'run', inputs)).raw);
  }

  /**
   * The share of each feature (mel band of an image) in the raw score of one input: as the model itself states it, or
   * of the error of a reconstruction; undefined where there is neither.
   */
  async contributions(key: string, input: ModelInput): Promise<FeatureVector | undefined> {
    const { manifest } = this.#entry(key).model;
    if (!hasShares(manifest.output)) return undefined;
    const names = explainedBy(manifest.inputs);
    if (names.length === 0) return undefined;
    const { raw, pieces } = await this.#run(key, 'contributions', [input]);
    // Of several pieces the newest one speaks.
    const last = (pieces?.[0] ?? 1) - 1;
    return Object.fromEntries(names.map((name, i) => [name, raw[last * names.length + i]!]));
  }

  async release(key: string): Promise<void> {
    if (this.#entries.delete(key)) await this.#worker.call('release', key);
  }

  /** Ends the worker. A native call that hangs is abandoned after 2 s. */
  async close(): Promise<void> {
    this.#entries.clear();
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

  async #run(
    key: string,
    method: 'run' | 'contributions',
    inputs: readonly ModelInput[],
  ): Promise<{ raw: Float32Array; pieces: readonly number[] | undefined }> {
    let entry: Entry | undefined;
    try {
      entry = this.#entry(key);
      const { rows, values, pieces } = packInputs(entry.model.manifest, inputs);
      if (inputs.length === 0) return { raw: new Float32Array(0), pieces };
      await this.#ensureLoaded(entry);
      const request: RunRequest = { key, rows, values };
      const raw = await this.#worker.call<Float32Array>(method, request, [values.buffer as ArrayBuffer]);
      entry.faults = 0;
      return { raw, pieces };
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'MODEL_RUN');
      this.#failures.inc({ code: error.code });
      // Each call that waited for the worker fails with it: a model counts one fault, and one is enough for a rest.
      if (
        entry !== undefined &&
        WORKER_FAULTS.has(error.code) &&
        this.#clock.monotonicMs() >= entry.restUntilMs
      )
        entry.restUntilMs = this.#clock.monotonicMs() + (retryDelayMs(REST, entry.faults++, () => 0) ?? 0);
      throw error;
    }
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
    const { key, path, manifest } = entry.model;
    entry.loading ??= this.#worker.call<void>('load', { key, path, manifest } satisfies LoadRequest);
    const loading = entry.loading;
    try {
      await loading;
    } catch (thrown) {
      if (entry.loading === loading) entry.loading = undefined;
      throw thrown;
    }
  }
}
