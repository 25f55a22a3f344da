import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { toErrorRecord, toSmEdgeError } from '../../base/errors.js';
import type { PartHealth } from '../../base/health.js';
import type { NewId } from '../../base/ids.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { Random } from '../../base/random.js';
import { PROGRAM_VERSION } from '../../base/version.js';
import type { GatewayConfig } from '../../config/schema.js';
import type { EventBus, Unsubscribe } from '../../events/bus.js';
import type { GatewayEvent } from '../../events/event.js';
import type { ModelStore } from '../../scoring/model-store.js';
import type { Store } from '../../storage/store.js';
import { mlflowPart } from '../../sync/mlflow/index.js';
import type { LocalModel, ModelIntake, Sync } from '../../sync/part.js';
import type { Announcer } from '../announcements/announcer.js';
import type { Assessor } from '../assessment/assessor.js';
import type { ModelsInUse } from '../assessment/models-in-use.js';

export interface UpstreamDeps {
  readonly config: GatewayConfig;
  readonly configHash: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly newId: NewId;
  readonly store: Store;
  readonly bus: EventBus;
  readonly announcer: Announcer;
  readonly assessor: Assessor;
  readonly models: ModelsInUse;
  readonly modelStore: ModelStore;
  readonly defaultModel: LocalModel;
}

/** The gateway's side of the exchange with MLflow: what goes up and when, and what happens to models that come down. */
export class Upstream {
  readonly #deps: UpstreamDeps;
  readonly #sync: Sync;
  readonly #intervalMs: number;
  #stopped = false;
  /** Why the exchange could not start. */
  #fault: { readonly reason: string; readonly sinceMs: number } | undefined;
  #cancelReport: () => void = () => undefined;
  #unsubscribe: Unsubscribe | undefined;

  private constructor(deps: UpstreamDeps, sync: Sync, intervalMs: number) {
    this.#deps = deps;
    this.#sync = sync;
    this.#intervalMs = intervalMs;
  }

  /** Undefined where the config names no remote. */
  static async create(deps: UpstreamDeps): Promise<Upstream | undefined> {
    const { config, configHash, clock, random, metrics, store, announcer, newId } = deps;
    const { mlflow } = config.sync;
    if (mlflow === undefined) return undefined;
    const logger = deps.logger.child({ part: 'sync' });
    const sync = await mlflowPart.create(mlflow, {
      clock,
      random,
      logger,
      metrics,
      outbox: store.outbox,
      identity: () => ({
        gatewayId: config.gateway.id,
        site: config.gateway.site,
        programVersion: PROGRAM_VERSION,
        configHash,
        machines: config.machines.map(({ id, class: machineClass, nameplate }) => ({
          id,
          class: machineClass,
          nameplate,
        })),
        defaultModel: deps.defaultModel,
      }),
      models: modelIntake(deps),
      dataDir: join(config.storage.path, 'sync'),
      onStalled: ({ sinceMs, pendingRows, error }) => {
        announcer
          .fact(
            'SyncStalled',
            {
              since: new Date(sinceMs).toISOString(),
              pendingRows,
              message: `MLflow cannot be reached: ${error.message}`,
            },
            newId(),
          )
          .catch((thrown) =>
            logger.error({ error: toErrorRecord(thrown) }, 'SyncStalled could not be published'),
          );
      },
      // The puller has logged it, and what came into use is an event.
      onModel: () => undefined,
    });
    return new Upstream(deps, sync, mlflow.interval);
  }

  async start(): Promise<void> {
    // Subscribed first: what the exchange itself makes happen (a model comes into use) goes up too.
    this.#unsubscribe = await this.#deps.bus.subscribe({
      name: 'mlflow',
      handler: async (event) => {
        await this.#sync.enqueueEvent(event);
        if (event.type === 'RetrainCompleted' && event.payload.outcome !== 'kept')
          await this.#pushModel(event);
      },
    });
    try {
      await this.#sync.start();
    } catch (thrown) {
      // A remote that can never work (an authority file that is not there) is no reason not to watch machines.
      const error = toSmEdgeError(thrown);
      this.#fault = { reason: error.message, sinceMs: this.#deps.clock.nowMs() };
      this.#deps.logger.error({ error: toErrorRecord(error) }, 'the exchange with MLflow cannot start');
    }
    this.#schedule();
  }

  /** Hands the figures of the running period to the outbox and ends the exchange. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelReport();
    await this.#unsubscribe?.();
    await this.#report();
    await this.#sync.stop();
  }

  health(): PartHealth {
    if (this.#fault !== undefined) return { part: 'sync mlflow', state: 'failed', ...this.#fault };
    const { state, reason, sinceMs } = this.#sync.status;
    return { part: 'sync mlflow', state, reason, sinceMs };
  }

  #schedule(): void {
    if (this.#stopped) return;
    const timer = this.#deps.clock.setTimer('figures for MLflow', this.#intervalMs, () => {
      this.#report().finally(() => this.#schedule());
    });
    this.#cancelReport = () => timer.cancel();
  }

  /** A model was learned here: it goes up with where it comes from. The outbox knows one that it had before. */
  async #pushModel({ payload, time }: GatewayEvent): Promise<void> {
    const { model: name, version, point, replaced, message } = payload as Record<string, unknown>;
    const stored = await this.#deps.modelStore.resolve(String(name), String(version)).catch(() => undefined);
    // Rolled back and removed since, or learned by a program before this one.
    if (stored === undefined) return;
    const { manifest } = stored;
    const tags: Record<string, string> = {
      'sm_edge.gateway_id': this.#deps.config.gateway.id,
      'sm_edge.point': String(point),
      'sm_edge.task': manifest.task,
      'sm_edge.learned_at': manifest.lineage.createdAt ?? time,
      'sm_edge.replaced': String(replaced ?? 'none'),
      'sm_edge.parent_version': manifest.lineage.parentVersion ?? 'none',
      'sm_edge.training_data': manifest.training.data,
      'sm_edge.sha256': manifest.file.sha256,
    };
    const description = `${manifest.title ?? name}. ${String(message ?? '')}`;
    await this.#sync.enqueueModel({ model: stored, folder: stored.dir, description, tags });
  }

  /** Figures of the period that ends now, dated now: they keep this time however late they are sent. */
  async #report(): Promise<void> {
    const { assessor, announcer, clock, logger } = this.#deps;
    const timeMs = clock.nowMs();
    try {
      for (const { model, metrics } of assessor.takeFigures())
        await this.#sync.enqueueMetrics({ timeMs, model, metrics });
      await this.#sync.enqueueMetrics({ timeMs, metrics: { 'alarms.raised': announcer.takeRaised() } });
    } catch (thrown) {
      logger.warn(
        { error: toErrorRecord(thrown) },
        'the figures of a period could not be put into the outbox',
      );
    }
  }
}

function modelIntake({ models, modelStore, announcer, newId }: UpstreamDeps): ModelIntake {
  return {
    async admit(folder) {
      const { name, version } = await modelStore.admit(folder);
      return { name, version };
    },
    async activate(model, selector, origin) {
      const { registeredName, alias } = origin;
      const message = `${model.name}/${model.version} is in use (${registeredName}, alias ${alias})`;
      await models.activate(model, { name: registeredName, alias, for: selector }, (documents, replaced) =>
        announcer.fact(
          'ModelPromoted',
          { ...model, selector, origin, replaced: replaced ?? null, message },
          newId(),
          documents,
        ),
      );
    },
  };
}
