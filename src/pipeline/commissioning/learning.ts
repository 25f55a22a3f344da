import { join } from 'node:path';
import type { AlarmEngine } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import type { GatewayConfig } from '../../config/schema.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { EventBus } from '../../events/bus.js';
import type { FeatureVector } from '../../features/spec.js';
import type { ModelStore } from '../../scoring/model-store.js';
import type { Scorer } from '../../scoring/scorer.js';
import { RUNNING, teaches } from '../../scoring/states/state.js';
import { DATABASE_FILE, type Store } from '../../storage/store.js';
import type { Assessor } from '../assessment/assessor.js';
import type { ModelsInUse } from '../assessment/models-in-use.js';
import { CaseMemory } from '../cases/case-memory.js';
import { FaultNaming } from '../cases/fault-naming.js';
import type { KnownFault } from '../cases/nearest.js';
import { PeriodDesk } from '../cases/period-desk.js';
import type { AnalysedWindow } from './analysed-window.js';
import { Commissioning, type CommissioningDeps } from './commissioning.js';
import { modelNameOf } from './model-name.js';
import { LearnedPruning } from './pruning.js';
import type { CommissioningRecord } from './record.js';
import { Retraining } from './retraining.js';
import { Trainer } from './trainer.js';

export interface OpenLearningDeps
  extends Omit<CommissioningDeps, 'retraining' | 'manifestOf' | 'config' | 'store'> {
  readonly store: Store;
  readonly bus: EventBus;
  readonly scorer: Scorer;
  readonly assessor: Pick<Assessor, 'seedBaselines'>;
  readonly alarms: Pick<AlarmEngine, 'all' | 'inMaintenance'>;
  readonly modelStore: ModelStore;
  readonly models: ModelsInUse;
  readonly config: GatewayConfig;
}

/** How long what was found of the alarms of a machine holds, milliseconds. */
const FRESH_MS = 1_000;

/** What the gateway learns by itself: points, and faults that people named. */
export class Learning {
  readonly commissioning: Commissioning;
  readonly cases: CaseMemory;
  readonly periods: PeriodDesk;
  readonly #naming: FaultNaming;
  readonly #pruning: LearnedPruning;
  readonly #troubleOf: (machine: string) => string | undefined;

  constructor(deps: OpenLearningDeps) {
    const { config, clock } = deps;
    const { path } = config.storage;
    this.#pruning = new LearnedPruning({
      ...deps,
      outbox: deps.store.outbox,
      kept: () => [...this.commissioning.list().flatMap(modelsOf), ...naming.inUse],
      keepVersions: () => this.commissioning.config.keepVersions,
    });
    const naming = new FaultNaming({
      ...deps,
      trainer: new Trainer(clock),
      cases: () => this.cases,
      onLearned: (name) => this.#pruning.prune(name),
    });
    this.#naming = naming;
    this.cases = new CaseMemory({ ...deps, onChange: (change) => naming.changed(change) });
    this.periods = new PeriodDesk(deps);
    const retraining = new Retraining({
      ...deps,
      gatewayId: config.gateway.id,
      database: join(path, DATABASE_FILE),
      folder: join(path, 'training'),
      trainer: new Trainer(clock),
      onLearned: async ({ healthy, baselines }) => {
        deps.assessor.seedBaselines(healthy.point, baselines);
        await this.cases.learned(healthy);
        naming.refresh(healthy.point);
        await this.#pruning.prune(modelNameOf(healthy.point));
      },
    });
    this.commissioning = new Commissioning({
      ...deps,
      retraining,
      manifestOf: (model) => deps.models.manifestOf(model),
      config: config.commissioning,
    });
    this.#troubleOf = troubles(deps.alarms, clock);
  }

  async restore(): Promise<void> {
    await this.cases.restore();
    await this.#naming.restore();
    await this.commissioning.restore();
  }

  async start(): Promise<void> {
    await this.cases.start();
    this.commissioning.start();
    // What an older program left, or one that was stopped in the middle.
    await this.#pruning.prune();
  }

  async stop(): Promise<void> {
    await Promise.all([this.commissioning.stop(), this.#naming.stop()]);
  }

  /** A window was analysed. */
  onWindow({ context, confirmed, state = RUNNING, ...window }: AnalysedWindow): void {
    const { point, machine, size } = context;
    if (!this.commissioning.wants(point)) return;
    const trouble = this.#troubleOf(machine) ?? (confirmed ? 'an anomaly is confirmed' : undefined);
    const name = teaches(state) ? state.name : undefined;
    this.commissioning.window({ ...window, point, size, trouble, state: name });
  }

  /** What is known of what a point shows now; it never throws. */
  known(point: string, features: FeatureVector, diagnosis?: Diagnosis): Promise<KnownFault> {
    return this.#naming.of(point, features, diagnosis);
  }
}

/** In use, and to go back to. */
const modelsOf = ({ model, former }: CommissioningRecord): string[] =>
  [model, former].flatMap((of) => (of == null ? [] : [`${of.name}/${of.version}`]));

/** What stands at a machine, looked up once a second. */
function troubles(alarms: OpenLearningDeps['alarms'], clock: Clock) {
  const known = new Map<string, { readonly atMs: number; readonly trouble: string | undefined }>();
  return (machine: string): string | undefined => {
    const nowMs = clock.monotonicMs();
    const found = known.get(machine);
    if (found !== undefined && nowMs - found.atMs < FRESH_MS) return found.trouble;
    const standing = alarms.all().find(({ point, active }) => active && point.startsWith(`${machine}.`));
    const trouble = alarms.inMaintenance(machine)
      ? 'somebody works on the machine'
      : standing === undefined
        ? undefined
        : `the alarm ${standing.alarm} of ${standing.point} stands`;
    known.set(machine, { atMs: nowMs, trouble });
    return trouble;
  };
}
