import { type Clock, sleep } from '../../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { GatewayEvent } from '../../events/event.js';
import type { OutboxDraft, OutboxLane } from '../../storage/outbox.js';
import { SyncLoop } from '../loop.js';
import type { LearnedModel, MetricSummary, Sync, SyncDeps, SyncStatus } from '../part.js';
import { Artifacts } from './artifacts.js';
import { MlflowClient } from './client.js';
import type { MlflowConfig } from './config.js';
import { MlflowHttp } from './http.js';
import { ModelPuller } from './models.js';
import { eventDraft, metricsDraft, modelDraft, SINK } from './rows.js';
import { RunDirectory } from './runs.js';
import { MlflowSender } from './sender.js';

/** From two seconds to five minutes: a short break costs little, a night without a network costs few requests. */
const RETRY: RetrySchedule = { initialMs: 2_000, maxMs: 300_000, factor: 2, jitter: 0.5, limit: Infinity };
const BATCH_ROWS = 200;

interface Link {
  readonly http: MlflowHttp;
  readonly abort: AbortController;
  readonly loop: SyncLoop;
  readonly puller: ModelPuller;
  readonly pulling: Promise<void>;
}

/** The gateway's exchange with one MLflow server: figures and events up, models down, each in a loop of its own. */
export class MlflowSync implements Sync {
  readonly #config: MlflowConfig;
  readonly #deps: SyncDeps;
  readonly #startedMs: number;
  #link: Link | undefined;
  #stopped = false;
  #pullError: SmEdgeError | undefined;

  constructor(config: MlflowConfig, deps: SyncDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#startedMs = deps.clock.nowMs();
  }

  async start(): Promise<void> {
    if (this.#link !== undefined || this.#stopped) return;
    const { clock } = this.#deps;
    const abort = new AbortController();
    const http = await MlflowHttp.open(this.#config, clock);
    const client = new MlflowClient(http, abort.signal);
    const artifacts = new Artifacts(http, client, this.#config.transferTimeout, abort.signal);
    const puller = new ModelPuller(client, artifacts, this.#config, this.#deps);
    await puller.restore();
    const loop = this.#createLoop(client, artifacts);
    loop.start();
    this.#link = { http, abort, loop, puller, pulling: this.#pullLoop(puller, clock, abort.signal) };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const link = this.#link;
    if (link === undefined) return;
    link.abort.abort();
    await Promise.all([link.loop.stop(), link.pulling]);
    await link.http.close();
  }

  async enqueueEvent(event: GatewayEvent): Promise<void> {
    const { clock, identity } = this.#deps;
    await this.#append(eventDraft(event, identity().defaultModel, this.#lane(), clock.nowMs()));
  }

  async enqueueMetrics(summary: MetricSummary): Promise<void> {
    const { clock, identity, metrics } = this.#deps;
    const { draft, skipped } = metricsDraft(summary, identity().defaultModel, this.#lane(), clock.nowMs());
    if (skipped > 0) {
      metrics
        .counter('sm_edge_sync_not_finite_total', 'figures left out because they are no finite number', [
          'sink',
        ])
        .inc({ sink: SINK }, skipped);
    }
    if (draft !== undefined) await this.#append(draft);
  }

  async enqueueModel(learned: LearnedModel): Promise<void> {
    if (!this.#config.pushModels) return;
    const { clock, identity } = this.#deps;
    await this.#append(modelDraft(learned, identity().gatewayId, this.#lane(), clock.nowMs()));
  }

  /** Transmits at once what waits. */
  flush(): void {
    this.#link?.loop.wake();
  }

  get status(): SyncStatus {
    const link = this.#link;
    const error = link?.loop.error ?? this.#pullError;
    const state = this.#stopped
      ? 'stopped'
      : error !== undefined
        ? 'degraded'
        : link?.loop.lastSuccessMs === undefined && link?.loop.hasRun !== true
          ? 'starting'
          : 'good';
    return {
      state,
      reason:
        error === undefined
          ? ''
          : error.hint === undefined
            ? error.message
            : `${error.message}; ${error.hint}`,
      sinceMs: link?.loop.sinceMs ?? this.#startedMs,
      ...(link?.loop.lastSuccessMs === undefined ? {} : { lastSuccessMs: link.loop.lastSuccessMs }),
      pending: link?.loop.pending ?? { live: 0, backlog: 0 },
      models: link?.puller.status ?? [],
    };
  }

  #createLoop(client: MlflowClient, artifacts: Artifacts): SyncLoop {
    const { clock, random, logger, metrics, outbox, identity, onStalled } = this.#deps;
    const runs = new RunDirectory(client, this.#config.experiment ?? identity().site, identity, clock);
    return new SyncLoop({
      sink: SINK,
      outbox,
      sender: new MlflowSender(client, artifacts, runs),
      clock,
      random,
      logger,
      metrics,
      intervalMs: this.#config.interval,
      retry: RETRY,
      batchRows: BATCH_ROWS,
      stalledAfterMs: this.#config.stalledAfter,
      onStalled,
    });
  }

  async #append(draft: OutboxDraft): Promise<void> {
    await this.#deps.outbox.append([draft]);
  }

  /** What is written while the server is away waits behind what is written once it is back. */
  #lane(): OutboxLane {
    return this.#link?.loop.error === undefined ? 'live' : 'backlog';
  }

  /** The registry answers again: what waits need not sit out a pause that grew while the server was away. */
  #serverIsBack(): void {
    // But where the server named a time, that is kept.
    if (this.#link?.loop.error?.details.retryAfterMs === undefined) this.flush();
  }

  async #pullLoop(puller: ModelPuller, clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#config.models.length === 0) return;
    for (let failures = 0; !signal.aborted; ) {
      let pauseMs = this.#config.modelInterval * (0.95 + 0.1 * this.#deps.random());
      try {
        await puller.poll();
        if (this.#pullError !== undefined) this.#serverIsBack();
        this.#pullError = undefined;
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) return;
        const error = toSmEdgeError(thrown);
        if (this.#pullError?.code !== error.code) {
          this.#deps.logger.warn(
            { code: error.code, hint: error.hint },
            `models cannot be looked up: ${error.message}`,
          );
        }
        this.#pullError = error;
        pauseMs = Math.min(pauseMs, retryDelayMs(RETRY, failures++, this.#deps.random) ?? pauseMs);
      }
      await sleep(clock, 'mlflow models', pauseMs, signal);
    }
  }
}
