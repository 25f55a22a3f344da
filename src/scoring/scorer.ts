import type { Clock } from '../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { disableLibraryTelemetry } from '../base/telemetry.js';
import { BatchQueue } from './batch-queue.js';
import { explainedBy, rawWidthOf } from './manifest-inputs.js';
import { hasShares } from './manifest-output.js';
import { isSteps, MAX_BATCH_ROWS, type ModelInput, packInputs, sizeOf } from './model-input.js';
import type { StoredModel } from './model-store.js';
import type { ProbeUnderWay } from './probe.js';
import type { FeatureVector, Score } from './score.js';
import { type Forecast, forecastsOf, scoresOf } from './score-of-output.js';
import { type Resident, ScoringThread } from './scoring-thread.js';

export interface ScorerOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Deadline of one batch, milliseconds. */
  readonly timeoutMs?: number;
  /** Whether onnxruntime runs here at all: no session is made before it is known, and none where it does not. */
  readonly probe?: ProbeUnderWay;
}

const DEFAULT_TIMEOUT_MS = 5_000;

interface Entry {
  readonly resident: Resident;
  readonly queue: BatchQueue;
}

/**
 * ONNX models in a worker thread. A model that is loaded here survives a crash of the worker: it is loaded again.
 * Calls for the same model that come in the same turn of the event loop, or while its batches are under way, are
 * scored as one batch.
 */
export class Scorer {
  readonly #thread: ScoringThread;
  readonly #entries = new Map<string, Entry>();
  readonly #rows;
  readonly #batches;
  readonly #failures;

  constructor({ clock, metrics, timeoutMs = DEFAULT_TIMEOUT_MS, probe }: ScorerOptions) {
    disableLibraryTelemetry();
    this.#rows = metrics.counter('sm_edge_scoring_rows_total', 'Inputs scored by a model.', ['model']);
    this.#batches = metrics.counter('sm_edge_scoring_batches_total', 'Runs of a model.', ['model']);
    this.#failures = metrics.counter('sm_edge_scoring_failures_total', 'Calls that no model scored.', [
      'code',
    ]);
    const restarts = metrics.counter('sm_edge_scoring_worker_restarts_total', 'Scoring workers that ended.');
    this.#thread = new ScoringThread({ clock, timeoutMs, probe, onCrash: () => restarts.inc() });
  }

  /** Keys of the models that were loaded and not released. */
  get loaded(): string[] {
    return [...this.#entries.keys()];
  }

  /** Loads a model and keeps it. Throws what `readModelFile` and `loadModel` throw; the model is then not kept. */
  async load(model: StoredModel): Promise<void> {
    const { key } = model;
    const known = this.#entries.get(key);
    if (known !== undefined) return this.#thread.ensureLoaded(known.resident);
    const resident = this.#thread.adopt(model);
    const onRun = () => this.#batches.inc({ model: key });
    const queue = new BatchQueue(key, rawWidthOf(model.manifest.inputs), (jobs) =>
      this.#thread.run(resident, jobs, onRun),
    );
    this.#entries.set(key, { resident, queue });
    try {
      await this.#thread.ensureLoaded(resident);
    } catch (thrown) {
      this.#entries.delete(key);
      this.#thread.disown(resident);
      throw thrown;
    }
  }

  /**
   * One score per input, in order. Throws a SmEdgeError where the model cannot score them (not loaded, a feature
   * missing, a failed worker, past the deadline): the caller then takes the baseline's score and says so.
   */
  score(key: string, inputs: readonly ModelInput[]): Promise<Score[]> {
    return this.#counted(async () => {
      const { queue, resident } = this.#entry(key);
      const { manifest } = resident.model;
      const size = sizeOf(manifest, inputs);
      const raw = await queue.add(size.rows, (out, at) => packInputs(manifest, inputs, size, out, at));
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
      const { queue, resident } = this.#entry(key);
      const { manifest } = resident.model;
      if (values.length !== rows * rawWidthOf(manifest.inputs) || rows > MAX_BATCH_ROWS)
        throw new SmEdgeError('MODEL_INPUTS', `${key} takes no ${rows} rows of ${values.length} values`);
      const raw = await queue.add(rows, (out, at) => out.set(values, at));
      const scores = scoresOf(manifest, raw, undefined, []);
      this.#rows.inc({ model: key }, rows);
      return scores;
    });
  }

  /** What a forecast model expects `horizon` steps after the last one of each input, with its interval. */
  forecast(key: string, inputs: readonly ModelInput[]): Promise<Forecast[]> {
    return this.#counted(async () => {
      const { queue, resident } = this.#entry(key);
      const { manifest } = resident.model;
      if (manifest.output.kind !== 'forecast') throw new SmEdgeError('MODEL_INPUTS', `${key} is no forecast`);
      const size = sizeOf(manifest, inputs);
      return forecastsOf(
        await queue.add(size.rows, (out, at) => packInputs(manifest, inputs, size, out, at)),
      );
    });
  }

  /**
   * The share of each feature (mel band of an image) in the raw score of one input: as the model itself states it, or
   * of the error of a reconstruction; undefined where there is neither.
   */
  async contributions(key: string, input: ModelInput): Promise<FeatureVector | undefined> {
    const { resident } = this.#entry(key);
    const { manifest } = resident.model;
    const names = explainedBy(manifest.inputs);
    if (!hasShares(manifest.output) || names.length === 0) return undefined;
    return this.#counted(async () => {
      const size = sizeOf(manifest, [input]);
      const values = new Float32Array(size.rows * rawWidthOf(manifest.inputs));
      packInputs(manifest, [input], size, values, 0);
      const shares = await this.#thread.contributions(resident, size.rows, values);
      // Of several pieces the newest one speaks.
      const last = (size.rows - 1) * names.length;
      return Object.fromEntries(names.map((name, i) => [name, shares[last + i]!]));
    });
  }

  async release(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    await this.#thread.release(entry.resident);
  }

  /** Ends the thread. A native call that hangs is abandoned after 2 s. */
  async close(): Promise<void> {
    this.#entries.clear();
    await this.#thread.close();
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
}
