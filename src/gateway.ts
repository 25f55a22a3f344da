import type { Clock } from './base/clock.js';
import { notReady } from './base/errors.js';
import { type HealthReport, overallState, type PartHealth } from './base/health.js';
import { idGenerator, type NewId } from './base/ids.js';
import type { Logger } from './base/logger.js';
import { Metrics } from './base/metrics.js';
import type { Random } from './base/random.js';
import { PROGRAM_VERSION } from './base/version.js';
import type { GatewayConfig } from './config/schema.js';
import type { GatewayEvent } from './events/event.js';
import { tellStoreChange } from './pipeline/announcements/tell-changes.js';
import type { Desks } from './pipeline/desks/desks.js';
import { type WriteCommand, type WriteResult, writeOnCommand } from './pipeline/desks/point-writes.js';
import { type GatewayParts, openGatewayParts } from './pipeline/gateway-parts.js';
import { healthPoint, MachineHealth } from './pipeline/machines/machine-health.js';
import { type MachineViewDeps, machineViews } from './pipeline/machines/machine-views.js';
import { MachineRegistry } from './pipeline/machines/machines.js';
import { OperatingStates } from './pipeline/machines/operating-states.js';
import { PointBoard } from './pipeline/machines/point-board.js';
import type { GatewaySnapshot } from './pipeline/machines/snapshot.js';
import { Remotes } from './pipeline/remotes/remotes.js';
import type { Housekeeping } from './pipeline/upkeep/housekeeping.js';
import type { IngestResult } from './sources/http/door.js';
import { StoreHealth } from './storage/health.js';

/*
 * The life of the gateway: starts its parts from the store up, takes another config into force, stops the parts from
 * the sources down. pipeline/gateway-parts.ts makes and connects them.
 */

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly configHash: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The parts, once they run. */
interface Running extends GatewayParts {
  remotes: Remotes | undefined;
}

export class Gateway {
  readonly metrics = new Metrics();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #newId: NewId;
  readonly #startedMs: number;
  readonly board = new PointBoard();
  readonly #machines: MachineRegistry;
  readonly #seen: MachineViewDeps;
  #config: GatewayConfig;
  #configHash: string;
  #running: Running | undefined;
  #ready = false;
  readonly #storeHealth: StoreHealth;
  /** Reloads run one after the other. */
  #reloading: Promise<void> = Promise.resolve();

  constructor({ config, configHash, clock, random, logger }: GatewayOptions) {
    this.#config = config;
    this.#configHash = configHash;
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#newId = idGenerator(clock, random);
    this.#startedMs = clock.nowMs();
    this.#machines = new MachineRegistry(config.machines);
    this.#seen = {
      ...{ board: this.board, machines: this.#machines },
      ...{ states: new OperatingStates(this.#machines), health: new MachineHealth(this.metrics) },
    };
    this.#storeHealth = new StoreHealth(clock, (change) =>
      tellStoreChange(change, this.#logger, this.#running?.announcer, this.#newId),
    );
  }

  /** True once every part has been started, and until the gateway stops. */
  get ready(): boolean {
    return this.#ready;
  }

  /** @throws SmEdgeError where the store cannot be opened; anything else that fails shows on `health` */
  start(): Promise<void> {
    const started = this.#start();
    // A reload that is asked for meanwhile waits its turn.
    this.#reloading = started.catch(() => undefined);
    return started;
  }

  async #start(): Promise<void> {
    const parts = await openGatewayParts({
      ...{ clock: this.#clock, random: this.#random, logger: this.#logger, metrics: this.metrics },
      ...{ newId: this.#newId, config: this.#config, seen: this.#seen, storeHealth: this.#storeHealth },
    });
    const running: Running = { ...parts, remotes: undefined };
    this.#running = running;
    await this.#restore(running);
    running.housekeeping.start();
    running.desks.alarms.start();
    await running.desks.learning.start();
    // Before the sources: the first event of the first start goes up too.
    running.remotes = await this.#startRemotes(running);
    await running.watch.damageFound();
    await running.sources.apply(this.#config.sources);
    this.#ready = true;
    this.#logger.info({ sources: this.#config.sources.length, version: PROGRAM_VERSION }, 'ready');
  }

  /** Takes in no more, finishes what is under way, writes what waits. */
  async stop(): Promise<void> {
    this.#ready = false;
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    await this.#reloading.catch(() => undefined);
    const { sources, pipeline, housekeeping, watch, remotes, bus, analysis, scorer, store } = running;
    await sources.stop();
    running.desks.alarms.stop();
    await pipeline.stop();
    await running.desks.learning.stop();
    await housekeeping.stop();
    await watch.stop();
    await remotes?.stop();
    running.announcer.stop();
    await bus.stop();
    await Promise.all([analysis.close(), scorer.close()]);
    await store.close();
  }

  /** Takes another config into force, part by part: what did not change goes on undisturbed. */
  reload(config: GatewayConfig, hash: string): Promise<void> {
    // One reload that failed must not end all later ones.
    this.#reloading = this.#reloading.catch(() => undefined).then(() => this.#apply(config, hash));
    return this.#reloading;
  }

  /** Deletion by age, retention by the clock. @throws SmEdgeError `NOT_READY` */
  get housekeeping(): Housekeeping {
    return this.#parts().housekeeping;
  }

  /** Where people see alarms and events, and act on them. @throws SmEdgeError `NOT_READY` */
  get desks(): Desks {
    return this.#parts().desks;
  }

  health(): HealthReport {
    const parts: PartHealth[] = [];
    const running = this.#running;
    if (running === undefined) {
      const state = this.#ready ? 'failed' : 'starting';
      parts.push({ part: 'storage', state, reason: '', sinceMs: this.#startedMs });
    } else {
      parts.push(this.#storeHealth.report());
      for (const { part, state, reason, sinceMs } of running.sources.views())
        parts.push({ part, state, reason, sinceMs });
      const models = running.modelFaults.health();
      if (models !== undefined) parts.push(models);
      parts.push(...(running.remotes?.health() ?? []));
    }
    return {
      gatewayId: this.#config.gateway.id,
      site: this.#config.gateway.site,
      version: PROGRAM_VERSION,
      state: overallState(parts, this.#ready),
      uptimeS: Math.round((this.#clock.nowMs() - this.#startedMs) / 1000),
      parts,
    };
  }

  snapshot(): GatewaySnapshot {
    return {
      timeMs: this.#clock.nowMs(),
      sources: this.#running?.sources.views() ?? [],
      machines: machineViews(this.#seen, this.#clock.nowMs()),
      alarms: this.#running?.desks.alarms.list() ?? [],
      learning: this.#running?.desks.learning.commissioning.views() ?? [],
    };
  }

  /** Calls `listener` with every event from now on; for a screen, not for work that must not be missed. */
  async onEvent(name: string, listener: (event: GatewayEvent) => Promise<void>): Promise<void> {
    await this.#running?.bus.subscribe({ name, handler: listener });
  }

  /**
   * Takes in what was posted; resolves once it is on disk. Without a source of type `http` in the config one with
   * the defaults is started at the first request.
   */
  async ingest(document: unknown, key: string | undefined): Promise<IngestResult> {
    if (!this.#ready) throw notReady();
    return (await this.#parts().sources.ingestDoor()).ingest(document, key);
  }

  /** Sets a writable point of a device, on command of a person. */
  async writePoint(command: WriteCommand): Promise<WriteResult> {
    return writeOnCommand(command, this.#newId, this.#parts());
  }

  #parts(): Running {
    if (this.#running !== undefined) return this.#running;
    throw notReady();
  }

  /** What was known before the restart: models in use, alarm states, what is usual at each point. */
  async #restore({ store, alarms, models, housekeeping, desks }: Running): Promise<void> {
    await models.restore(this.#config.sync.mlflow?.models ?? []);
    alarms.restore(await store.alarmStates());
    await housekeeping.restoreLearned();
    const series = this.#config.machines.map(({ id }) => healthPoint(id));
    this.#seen.health.restore(await store.lastReadings(series));
    await desks.learning.restore();
  }

  #startRemotes(running: Running): Promise<Remotes> {
    return Remotes.start({
      ...running,
      config: this.#config,
      configHash: this.#configHash,
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      metrics: this.metrics,
      newId: this.#newId,
      snapshot: () => this.snapshot(),
    });
  }

  async #apply(config: GatewayConfig, hash: string): Promise<void> {
    const running = this.#running;
    if (running === undefined || hash === this.#configHash) return;
    const old = this.#config;
    const differs = (key: keyof GatewayConfig) => JSON.stringify(old[key]) !== JSON.stringify(config[key]);
    const needRestart = (['gateway', 'log', 'storage', 'http', 'analysis'] as const).filter(differs);
    if (needRestart.length > 0)
      this.#logger.warn({ keys: needRestart }, 'these keys take effect at the next restart');
    this.#config = config;
    this.#configHash = hash;
    if (differs('machines')) {
      this.#machines.replace(config.machines);
      this.#seen.states.reconfigure();
      running.pipeline.machinesChanged();
    }
    if (differs('alarms') || differs('machines')) running.alarms.reconfigure(config.alarms);
    if (differs('commissioning')) running.desks.learning.commissioning.reconfigure(config.commissioning);
    if (differs('models')) await running.models.reconfigure(config.models);
    if (differs('sources')) await running.sources.apply(config.sources);
    if (differs('sync')) {
      await running.remotes?.stop();
      await running.models.follow(config.sync.mlflow?.models ?? []);
      running.remotes = await this.#startRemotes(running);
    }
    this.#logger.info({ hash }, 'the new config is in force');
  }
}
