import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import type { GatewayEvent } from '#sm/events/event.js';
import type { Outbox } from '#sm/storage/outbox.js';
import { Store } from '#sm/storage/store.js';
import { type MlflowConfig, mlflowConfigSchema } from '#sm/sync/mlflow/config.js';
import { MlflowSync } from '#sm/sync/mlflow/sync.js';
import type {
  GatewayIdentity,
  LocalModel,
  ModelBindingStatus,
  ModelIntake,
  ModelOrigin,
  ModelSelector,
  SyncDeps,
  SyncStall,
} from '#sm/sync/part.js';

export const IDENTITY: GatewayIdentity = {
  gatewayId: 'gw-07',
  site: 'plant-3',
  programVersion: '0.1.0',
  configHash: 'c0ffee',
  machines: [
    { id: 'pump-1', class: 'pump', nameplate: { speedRpm: 1780, bearings: { 'bearing-de': '6205' } } },
  ],
  defaultModel: { name: 'builtin', version: '1' },
};

export const mlflowConfig = (config: Record<string, unknown>): MlflowConfig =>
  mlflowConfigSchema.parse({ interval: '1s', modelInterval: '1s', ...config });

/** What stands around the sync in a gateway, as far as it shows to the sync. */
export class TestGateway {
  readonly folder: string;
  readonly outbox: Outbox;
  readonly metrics: Metrics;
  readonly stalls: SyncStall[] = [];
  readonly outcomes: ModelBindingStatus[] = [];
  readonly activated: { model: LocalModel; selector: ModelSelector; origin: ModelOrigin }[] = [];
  identity = IDENTITY;
  admit: ModelIntake['admit'] = async () => ({ name: 'any', version: '1' });
  readonly #syncs: MlflowSync[] = [];
  readonly #store: Store;
  readonly #newId = idGenerator(systemClock, seededRandom(1));

  private constructor(folder: string, store: Store, metrics: Metrics) {
    this.folder = folder;
    this.#store = store;
    this.outbox = store.outbox;
    this.metrics = metrics;
  }

  static async create(): Promise<TestGateway> {
    const folder = await mkdtemp(path.join(tmpdir(), 'sm-edge-sync-'));
    const metrics = new Metrics();
    const store = await Store.open({ folder: path.join(folder, 'store'), clock: systemClock, metrics });
    return new TestGateway(folder, store, metrics);
  }

  /** A sync over this gateway's outbox and folder, as after a start of the daemon; not yet started. */
  sync(config: Record<string, unknown>): MlflowSync {
    const sync = new MlflowSync(mlflowConfig(config), this.#deps());
    this.#syncs.push(sync);
    return sync;
  }

  async waiting(): Promise<number> {
    const stats = (await this.outbox.stats()).find((entry) => entry.sink === 'mlflow');
    return (stats?.live ?? 0) + (stats?.backlog ?? 0);
  }

  event(timeMs: number, payload: Record<string, unknown> = {}): GatewayEvent {
    const id = this.#newId();
    const time = new Date(timeMs).toISOString();
    return { id, type: 'AlarmRaised', version: 1, time, gatewayId: 'gw-07', correlationId: id, payload };
  }

  async remove(): Promise<void> {
    await Promise.all(this.#syncs.map((sync) => sync.stop()));
    await this.#store.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  #deps(): SyncDeps {
    return {
      clock: systemClock,
      random: seededRandom(7),
      logger: silentLogger,
      metrics: this.metrics,
      outbox: this.outbox,
      identity: () => this.identity,
      models: {
        admit: (folder, origin) => this.admit(folder, origin),
        activate: async (model, selector, origin) => {
          this.activated.push({ model, selector, origin });
        },
      },
      dataDir: path.join(this.folder, 'mlflow'),
      onStalled: (stall) => this.stalls.push(stall),
      onModel: (outcome) => this.outcomes.push(outcome),
    };
  }
}
