import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { OutboxRow } from '../../storage/outbox.js';
import type { Receipt, Sender } from '../loop.js';
import type { LocalModel } from '../part.js';
import type { Artifacts } from './artifacts.js';
import { MAX_METRICS_PER_BATCH, type MlflowClient } from './client.js';
import { ModelUpload } from './model-upload.js';
import {
  type EventPayload,
  eventFile,
  type MetricsPayload,
  type ModelPayload,
  metricsOf,
  readPayload,
} from './rows.js';
import { chunks, type RunDirectory } from './runs.js';

/** Failures that are about one row and not about the link, the login or the server. */
const ROW_FAILURES = new Set([
  'MLFLOW_REFUSED',
  'MLFLOW_ARTIFACT_URI',
  'MLFLOW_ROW_UNREADABLE',
  'MLFLOW_MODEL_GONE',
]);

interface MetricsRow {
  readonly row: OutboxRow;
  readonly payload: MetricsPayload;
}

/** Uploads of event files under way at a time. */
const PARALLEL_UPLOADS = 3;

/**
 * Writes rows of the outbox to MLflow. A row that is sent twice, because an answer was lost or the power failed
 * before it was noted, leaves one trace: a metric's row is identified by its whole value, an event by its file.
 */
export class MlflowSender implements Sender {
  readonly #client: MlflowClient;
  readonly #artifacts: Artifacts;
  readonly #runs: RunDirectory;
  readonly #upload: ModelUpload;

  constructor(client: MlflowClient, artifacts: Artifacts, runs: RunDirectory) {
    this.#client = client;
    this.#artifacts = artifacts;
    this.#runs = runs;
    this.#upload = new ModelUpload(client, artifacts, runs);
  }

  async send(rows: readonly OutboxRow[], receipt: Receipt): Promise<void> {
    const metrics = new Map<string, MetricsRow[]>();
    const events: { row: OutboxRow; payload: EventPayload }[] = [];
    const models: { row: OutboxRow; payload: ModelPayload }[] = [];
    for (const row of rows) {
      const payload = readPayload(row.kind, row.payload);
      if (payload === undefined) await receipt.refuse(row, unreadable(row));
      else if ('upload' in payload) models.push({ row, payload: payload.upload });
      else if ('event' in payload) events.push({ row, payload: payload.event });
      else append(metrics, JSON.stringify(payload.metrics.model), { row, payload: payload.metrics });
    }
    try {
      for (const group of metrics.values()) await this.#sendMetrics(group, receipt);
      for (const group of chunks(events, PARALLEL_UPLOADS)) {
        const results = await Promise.allSettled(
          group.map(({ row, payload }) => this.#sendEvent(row, payload, receipt)),
        );
        const failed = results.find((result) => result.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      }
      for (const { row, payload } of models) await this.#sendModel(row, payload, receipt);
    } catch (thrown) {
      // A run or an experiment that was deleted is looked for, or made, anew at the next attempt.
      if (!toSmEdgeError(thrown).retryable) this.#runs.forget();
      throw thrown;
    }
  }

  async #sendMetrics(group: readonly MetricsRow[], receipt: Receipt): Promise<void> {
    for (const pack of packs(group)) {
      try {
        await this.#logMetrics(pack);
        await receipt.confirm(pack.map(({ row }) => row));
      } catch (thrown) {
        if (!isRowFailure(thrown)) throw thrown;
        await this.#sendOneByOne(pack, receipt);
      }
    }
  }

  /** One value in the pack is not to the server's taste, or the run is gone: finds out which. */
  async #sendOneByOne(pack: readonly MetricsRow[], receipt: Receipt): Promise<void> {
    this.#runs.forget();
    for (const item of pack) {
      try {
        await this.#logMetrics([item]);
      } catch (thrown) {
        if (!isRowFailure(thrown)) throw thrown;
        await receipt.refuse(item.row, toSmEdgeError(thrown));
        continue;
      }
      await receipt.confirm([item.row]);
    }
  }

  async #logMetrics(pack: readonly MetricsRow[]): Promise<void> {
    const run = await this.#runs.open(modelOf(pack));
    const metrics = pack.flatMap(({ payload }) => metricsOf(payload));
    for (const chunk of chunks(metrics, MAX_METRICS_PER_BATCH)) {
      await this.#client.logBatch(run.info.run_id, { metrics: chunk });
    }
  }

  async #sendModel(row: OutboxRow, payload: ModelPayload, receipt: Receipt): Promise<void> {
    try {
      await this.#upload.send(payload);
    } catch (thrown) {
      if (!isRowFailure(thrown)) throw thrown;
      return receipt.refuse(row, toSmEdgeError(thrown));
    }
    await receipt.confirm([row]);
  }

  async #sendEvent(row: OutboxRow, payload: EventPayload, receipt: Receipt): Promise<void> {
    try {
      const run = await this.#runs.open(payload.model);
      const home = await this.#artifacts.locate(run.info.artifact_uri);
      const body = Buffer.from(`${JSON.stringify(payload.event, undefined, 2)}\n`, 'utf8');
      await this.#artifacts.upload(`${home}/${eventFile(payload.event)}`, body, {
        contentType: 'application/json',
        sizeBytes: body.length,
      });
    } catch (thrown) {
      if (!isRowFailure(thrown)) throw thrown;
      return receipt.refuse(row, toSmEdgeError(thrown));
    }
    await receipt.confirm([row]);
  }
}

const isRowFailure = (thrown: unknown): boolean =>
  thrown instanceof SmEdgeError && ROW_FAILURES.has(thrown.code);

const modelOf = (pack: readonly MetricsRow[]): LocalModel => pack[0]!.payload.model;

function append<K, V>(groups: Map<K, V[]>, key: K, value: V): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}

/** Rows together up to the limit of one request; a row with more values than that goes alone, in several. */
function* packs(rows: readonly MetricsRow[]): Generator<MetricsRow[]> {
  let pack: MetricsRow[] = [];
  let values = 0;
  for (const item of rows) {
    const count = Object.keys(item.payload.metrics).length;
    if (pack.length > 0 && values + count > MAX_METRICS_PER_BATCH) {
      yield pack;
      pack = [];
      values = 0;
    }
    pack.push(item);
    values += count;
  }
  if (pack.length > 0) yield pack;
}

const unreadable = (row: OutboxRow): SmEdgeError =>
  new SmEdgeError('MLFLOW_ROW_UNREADABLE', `the row ${row.key} of kind ${row.kind} is not one for MLflow`, {
    hint: 'an older version of the program may have written it',
  });
