import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';
import { isAbsent } from './errors.js';
import type { MlflowHttp } from './http.js';

/** Limits of `runs/log-batch` (MLflow REST API 2.0, "Log Batch": request limits). */
export const MAX_METRICS_PER_BATCH = 1000;
export const MAX_PARAMS_PER_BATCH = 100;
export const MAX_TAGS_PER_BATCH = 100;
export const MAX_PARAM_LENGTH = 6000;
export const MAX_TAG_LENGTH = 8000;
export const MAX_KEY_LENGTH = 250;

export interface Pair {
  readonly key: string;
  readonly value: string;
}

export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly step: number;
}

const pair = z.object({ key: z.string(), value: z.string() });
const empty = z.object({});

const experiment = z.object({
  experiment_id: z.string().min(1),
  name: z.string(),
  lifecycle_stage: z.string().default('active'),
});

const run = z.object({
  info: z.object({
    run_id: z.string().min(1),
    artifact_uri: z.string().min(1),
    // int64: protobuf's JSON form may write it as a string.
    start_time: z.coerce.number().default(0),
    lifecycle_stage: z.string().default('active'),
  }),
  data: z.object({ params: z.array(pair).default([]), tags: z.array(pair).default([]) }).prefault({}),
});

const modelVersion = z.object({
  name: z.string(),
  version: z.string().regex(/^\d{1,18}$/),
  status: z.string().default('READY'),
  source: z.string().default(''),
  run_id: z.string().default(''),
});

export type Experiment = z.infer<typeof experiment>;
export type Run = z.infer<typeof run>;
export type ModelVersion = z.infer<typeof modelVersion>;

/**
 * The part of MLflow's REST API 2.0 that a gateway needs, in its own terms. Tried on MLflow 3.17. Every call
 * throws an `SmEdgeError` with code `MLFLOW_…`; `retryable` says whether time may mend it.
 */
export class MlflowClient {
  readonly #http: MlflowHttp;
  readonly #signal: AbortSignal;

  constructor(http: MlflowHttp, signal: AbortSignal) {
    this.#http = http;
    this.#signal = signal;
  }

  /** Undefined where no experiment has the name. A deleted one is found, with its lifecycle stage. */
  async experimentByName(name: string): Promise<Experiment | undefined> {
    return absentAsUndefined(
      this.#get(z.object({ experiment }), 'experiments/get-by-name', { experiment_name: name }).then(
        (answer) => answer.experiment,
      ),
    );
  }

  /** Id of the new experiment. */
  async createExperiment(name: string): Promise<string> {
    const answer = await this.#post(z.object({ experiment_id: z.string().min(1) }), 'experiments/create', {
      name,
    });
    return answer.experiment_id;
  }

  /** Active runs with this value of a tag, first created first. */
  async runsByTag(experimentId: string, tag: string, value: string): Promise<Run[]> {
    if (/['`]/.test(tag + value)) throw new RangeError('a quote cannot be searched for');
    const answer = await this.#post(z.object({ runs: z.array(run).default([]) }), 'runs/search', {
      experiment_ids: [experimentId],
      filter: `tags.\`${tag}\` = '${value}'`,
      run_view_type: 'ACTIVE_ONLY',
      order_by: ['attributes.start_time ASC'],
      max_results: 10,
    });
    return answer.runs;
  }

  async getRun(runId: string): Promise<Run> {
    return (await this.#get(z.object({ run }), 'runs/get', { run_id: runId })).run;
  }

  async createRun(request: {
    experimentId: string;
    name: string;
    startTimeMs: number;
    tags: readonly Pair[];
  }): Promise<Run> {
    const answer = await this.#post(z.object({ run }), 'runs/create', {
      experiment_id: request.experimentId,
      run_name: request.name,
      start_time: request.startTimeMs,
      tags: request.tags,
    });
    return answer.run;
  }

  /**
   * Writes at most `MAX_…_PER_BATCH` of each. Writing the same again changes nothing: a metric's row is its whole
   * value (the server's primary key is key, timestamp, step, run and value), a param or tag has one value.
   */
  async logBatch(
    runId: string,
    batch: { metrics?: readonly Metric[]; params?: readonly Pair[]; tags?: readonly Pair[] },
  ): Promise<void> {
    await this.#post(empty, 'runs/log-batch', { run_id: runId, ...batch });
  }

  /** The version that an alias points to; undefined where the model or the alias does not exist. */
  async versionByAlias(name: string, alias: string): Promise<ModelVersion | undefined> {
    const shape = z.object({ model_version: modelVersion });
    try {
      return (await this.#get(shape, 'registered-models/alias', { name, alias })).model_version;
    } catch (thrown) {
      if (isAbsent(thrown)) return undefined;
      // A model without this alias is answered with 400 and this text, and with no code of its own.
      if (thrown instanceof SmEdgeError && / alias .* not found/.test(thrown.message)) return undefined;
      throw thrown;
    }
  }

  /** Artifact URI of a version's files. */
  async downloadUri(name: string, version: string): Promise<string> {
    const shape = z.object({ artifact_uri: z.string().min(1) });
    return (await this.#get(shape, 'model-versions/get-download-uri', { name, version })).artifact_uri;
  }

  /** Artifact URI of an MLflow 3 logged model (`models:/m-…`). */
  async loggedModelUri(modelId: string): Promise<string> {
    const shape = z.object({ model: z.object({ info: z.object({ artifact_uri: z.string().min(1) }) }) });
    const answer = await this.#get(shape, `logged-models/${encodeURIComponent(modelId)}`, {});
    return answer.model.info.artifact_uri;
  }

  /** Makes a registered model where there is none of that name. */
  async ensureRegisteredModel(name: string, description: string, tags: readonly Pair[]): Promise<void> {
    try {
      await this.#post(empty, 'registered-models/create', { name, description, tags });
    } catch (thrown) {
      const isThere = thrown instanceof SmEdgeError && thrown.details.errorCode === 'RESOURCE_ALREADY_EXISTS';
      if (!isThere) throw thrown;
    }
  }

  /** The version of a registered model that a run produced; undefined where there is none. */
  async versionOfRun(name: string, runId: string): Promise<ModelVersion | undefined> {
    if (/['`]/.test(name + runId)) throw new RangeError('a quote cannot be searched for');
    const shape = z.object({ model_versions: z.array(modelVersion).default([]) });
    const answer = await this.#get(shape, 'model-versions/search', {
      filter: `name = '${name}' and run_id = '${runId}'`,
      max_results: '10',
    });
    return answer.model_versions.find((version) => version.run_id === runId);
  }

  async createVersion(request: {
    name: string;
    source: string;
    runId: string;
    description: string;
    tags: readonly Pair[];
  }): Promise<ModelVersion> {
    const { runId, ...rest } = request;
    const shape = z.object({ model_version: modelVersion });
    return (await this.#post(shape, 'model-versions/create', { ...rest, run_id: runId })).model_version;
  }

  async setVersionTag(name: string, version: string, tag: Pair): Promise<void> {
    await this.#post(empty, 'model-versions/set-tag', { name, version, ...tag });
  }

  #get<T>(shape: z.ZodType<T>, route: string, query: Record<string, string>): Promise<T> {
    return this.#http.json(shape, {
      method: 'GET',
      path: `api/2.0/mlflow/${route}`,
      query,
      signal: this.#signal,
    });
  }

  #post<T>(shape: z.ZodType<T>, route: string, body: object): Promise<T> {
    return this.#http.json(shape, {
      method: 'POST',
      path: `api/2.0/mlflow/${route}`,
      body: JSON.stringify(body),
      signal: this.#signal,
    });
  }
}

async function absentAsUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined;
    throw thrown;
  }
}
