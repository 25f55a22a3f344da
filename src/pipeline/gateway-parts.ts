import { AlarmEngine } from '../alarms/engine.js';
import type { Clock } from '../base/clock.js';
import { toErrorRecord } from '../base/errors.js';
import type { NewId } from '../base/ids.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import { TimeSync } from '../base/time-sync.js';
import type { GatewayConfig } from '../config/schema.js';
import { EventBus } from '../events/bus.js';
import { EventCatalogue } from '../events/catalogue.js';
import type { StoreHealth } from '../storage/health.js';
import { Store } from '../storage/store.js';
import { AnalysisClient } from './analysis/client.js';
import { Announcer } from './announcements/announcer.js';
import { tellSourceChange } from './announcements/tell-changes.js';
import { Anomalies } from './assessment/anomalies.js';
import { openScoring, type ScoringParts } from './assessment/scoring-parts.js';
import { Learning } from './commissioning/learning.js';
import { type Desks, openDesks } from './desks/desks.js';
import { LivePipeline } from './live/live.js';
import { learnedSeasons } from './live/trends.js';
import type { MachineViewDeps } from './machines/machine-views.js';
import { SourceMemories } from './sources/source-memories.js';
import { SourceSet } from './sources/source-set.js';
import { Housekeeping } from './upkeep/housekeeping.js';
import { StoreWatch } from './upkeep/store-watch.js';

/*
 * How the parts of the gateway hang together:
 *
 *   SourceSet ──► LivePipeline ──► Store                          one SQLite file, in the storage thread
 *                   │   ring ──► AnalysisClient                    features and diagnosis, in the analysis thread
 *                   │        ──► Assessor ──► Scorer               ONNX, in the scoring thread; baselines beside it
 *                   │        ──► AlarmEngine ──► Announcer ──► EventBus ──► subscribers (Remotes …)
 *                   └──────► PointBoard                            what is shown live
 *   Housekeeping: retention, baselines, integrity check            Remotes: MLflow, Sparkplug
 */

export interface GatewayParts extends ScoringParts {
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
}

export interface GatewayPartsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly newId: NewId;
  readonly config: GatewayConfig;
  /** What is known of points and machines: there before the parts are, and shown while they start. */
  readonly seen: MachineViewDeps;
  readonly storeHealth: StoreHealth;
}

/** Opens the store and makes the parts on it; nothing runs yet. @throws SmEdgeError where the store cannot be opened */
export async function openGatewayParts(deps: GatewayPartsDeps): Promise<GatewayParts> {
  const { clock, random, logger, metrics, newId, config, seen } = deps;
  const part = (name: string) => logger.child({ part: name });
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
    logger: part('storage'),
    metrics,
    store,
    health: deps.storeHealth,
    makeRoom: () => housekeeping.makeRoom(),
  });
  const bus = new EventBus({
    gatewayId: config.gateway.id,
    clock,
    random,
    newId,
    logger: part('events'),
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
    machineOf: (id) => seen.machines.factsOf(id),
  });
  const announcer = new Announcer({ bus, store, alarms, clock, random, newId });
  const anomalies = new Anomalies({
    ...{ metrics, logger, alarms, announcer },
    onLabel: (point, right) => assessor.label(point, right),
  });
  const actors = { clock, logger, newId, announcer, alarms, anomalies, bus };
  const pipeline = new LivePipeline({
    ...actors,
    logger: part('pipeline'),
    metrics,
    store,
    analysis,
    assessor,
    ...seen,
    config: config.analysis,
    learning: () => learning,
    seasons: await learnedSeasons(store),
  });
  const learning = new Learning({
    ...actors,
    ...scoring,
    ...{ metrics, store, config, board: seen.board, machines: seen.machines },
    logger: part('learning'),
    diagnose: (point) => pipeline.diagnosisOf(point),
  });
  const desks = openDesks({ ...actors, journal: store.journal }, { learning, captures: pipeline });
  const memories = await SourceMemories.open(store, logger);
  const sources = new SourceSet({
    gatewayId: config.gateway.id,
    clock,
    random,
    logger,
    metrics,
    sink: pipeline,
    memoryOf: (id) => memories.of(id),
    onChange: (...change) => tellSourceChange(change, logger, announcer, newId),
  });
  const housekeeping = new Housekeeping({
    clock,
    logger: part('housekeeping'),
    metrics,
    store,
    assessor,
    anomalies,
    states: seen.states,
    config: config.storage,
    watch,
    timeSync: new TimeSync(clock),
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
  };
}
