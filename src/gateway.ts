import { AlarmEngine } from './alarms/engine.js';
import type { Clock } from './base/clock.js';
import { notReady, toErrorRecord } from './base/errors.js';
import { type HealthReport, overallState, type PartHealth } from './base/health.js';
import { idGenerator, type NewId } from './base/ids.js';
import type { Logger } from './base/logger.js';
import { Metrics } from './base/metrics.js';
import type { Random } from './base/random.js';
import { saysSynchronised } from './base/system-time.js';
import { PROGRAM_VERSION } from './base/version.js';
import type { GatewayConfig } from './config/schema.js';
import { EventBus } from './events/bus.js';
import { EventCatalogue } from './events/catalogue.js';
import type { GatewayEvent } from './events/event.js';
import { AnalysisClient } from './pipeline/analysis/client.js';
import { Announcer } from './pipeline/announcer.js';
import { Anomalies } from './pipeline/anomalies.js';
import { Learning } from './pipeline/commissioning/learning.js';
import { type Desks, openDesks } from './pipeline/desks.js';
import { Housekeeping } from './pipeline/housekeeping.js';
import { LivePipeline } from './pipeline/live.js';
import { healthPoint, MachineHealth } from './pipeline/machine-health.js';
import { type MachineViewDeps, machineViews } from './pipeline/machine-views.js';
import { MachineRegistry } from './pipeline/machines.js';
import { OperatingStates } from './pipeline/operating-states.js';
import { PointBoard } from './pipeline/point-board.js';
import { type WriteCommand, type WriteResult, writeOnCommand } from './pipeline/point-writes.js';
import { Remotes } from './pipeline/remotes.js';
import { openScoring, type ScoringParts } from './pipeline/scoring-parts.js';
import type { GatewaySnapshot } from './pipeline/snapshot.js';
import { SourceMemories } from './pipeline/source-memories.js';
import { SourceSet } from './pipeline/source-set.js';
import { StoreWatch } from './pipeline/store-watch.js';
import { tellSourceChange, tellStoreChange } from './pipeline/tell-changes.js';
import { learnedSeasons } from './pipeline/trends.js';
import type { IngestResult } from './sources/http/door.js';
import { StoreHealth } from './storage/health.js';
import { Store } from './storage/store.js';

/*
 * The composition root: wires the parts, starts them from the store up, stops them from the sources down.
 *
 *   SourceSet ──► LivePipeline ──► Store                          one SQLite file, in the storage thread
 *                   │   ring ──► AnalysisClient                    features and diagnosis, in the analysis thread
 *                   │        ──► Assessor ──► Scorer               ONNX, in the scoring thread; baselines beside it
 *                   │        ──► AlarmEngine ──► Announcer ──► EventBus ──► subscribers (Remotes …)
 *                   └──────► PointBoard                            what is shown live
 *   Housekeeping: retention, baselines, integrity check            Remotes: MLflow, Sparkplug
 */

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly configHash: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The parts, once they run. */
interface Running extends ScoringParts {
  readonly store: Store;
  readonly bus: EventBus;
  readonly announcer: Announcer;
  readonly analysis: AnalysisClient;
  readonly alarms: AlarmEngine;
  readonly desks: Desks;
  readonly pipeline: LivePipeline;
  readonly sources: SourceSet;
  readonly housekeeping: Housekeeping;
  readonly watch: StoreWatch;
  readonly memories: SourceMemories;
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
    const running = await this.#assemble();
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

  /** Where people see alarms and events, and act on them. @throws SmEdgeError `NOT_READY` */
  /** Deletion by age, retention by the clock. @throws SmEdgeError `NOT_READY` */
  get housekeeping(): Housekeeping {
    return this.#parts().housekeeping;
  }

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

  async #assemble(): Promise<Running> {
    const config = this.#config;
    const clock = this.#clock;
    const random = this.#random;
    const { metrics } = this;
    const logger = this.#logger;
    const store = await Store.open({
      folder: config.storage.path,
      clock,
      metrics,
      onDisk: (error) => watch.disk(error),
      onDamage: (finding) => {
        logger.error({ finding }, 'the database is damaged');
        watch.damageFound().catch((thrown) => {
          logger.error({ error: toErrorRecord(thrown) }, 'the damage cannot be looked at now');
        });
      },
    });
    const watch = new StoreWatch({
      clock,
      logger: logger.child({ part: 'storage' }),
      metrics,
      store,
      health: this.#storeHealth,
      makeRoom: () => housekeeping.makeRoom(),
    });
    const bus = new EventBus({
      gatewayId: config.gateway.id,
      clock,
      random,
      newId: this.#newId,
      logger: logger.child({ part: 'events' }),
      metrics,
      journal: store.journal,
      catalogue: new EventCatalogue(),
    });
    const analysis = new AnalysisClient({ clock, metrics });
    const scoring = await openScoring({
      ...{ clock, logger, metrics, store },
      folder: config.storage.path,
      config: config.models,
    });
    const { assessor } = scoring;
    const alarms = new AlarmEngine(config.alarms, {
      metrics,
      machineOf: (id) => this.#machines.factsOf(id),
    });
    const announcer = new Announcer({ bus, store, alarms, clock, random, newId: this.#newId });
    const anomalies = new Anomalies({
      ...{ metrics, logger, alarms, announcer },
      onLabel: (point, right) => assessor.label(point, right),
    });
    const actors = { clock, logger, newId: this.#newId, announcer, alarms, anomalies, bus };
    const pipeline = new LivePipeline({
      ...actors,
      logger: logger.child({ part: 'pipeline' }),
      metrics,
      store,
      analysis,
      assessor,
      ...this.#seen,
      config: config.analysis,
      learning: () => learning,
      seasons: await learnedSeasons(store),
    });
    const learning = new Learning({
      ...actors,
      ...scoring,
      ...{ metrics, store, config, board: this.board, machines: this.#machines },
      logger: logger.child({ part: 'learning' }),
      diagnose: (point) => pipeline.diagnosisOf(point),
    });
    const desks = openDesks({ ...actors, journal: store.journal }, learning);
    const memories = await SourceMemories.open(store, logger);
    const sources = new SourceSet({
      gatewayId: config.gateway.id,
      clock,
      random,
      logger,
      metrics,
      sink: pipeline,
      memoryOf: (id) => memories.of(id),
      onChange: (...change) => tellSourceChange(change, logger, announcer, this.#newId),
    });
    const housekeeping = new Housekeeping({
      clock,
      logger: logger.child({ part: 'housekeeping' }),
      metrics,
      store,
      assessor,
      anomalies,
      states: this.#seen.states,
      config: config.storage,
      watch,
      isSynchronised: saysSynchronised,
    });
    return {
      store,
      bus,
      announcer,
      analysis,
      ...scoring,
      alarms,
      desks,
      pipeline,
      sources,
      housekeeping,
      watch,
      memories,
      remotes: undefined,
    };
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
