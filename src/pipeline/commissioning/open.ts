import { join } from 'node:path';
import type { AlarmEngine } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import type { GatewayConfig } from '../../config/schema.js';
import type { ModelStore } from '../../scoring/model-store.js';
import { RUNNING, teaches } from '../../scoring/states/state.js';
import { DATABASE_FILE } from '../../storage/store.js';
import type { AnalysedWindow } from '../analysed-window.js';
import type { ModelsInUse } from '../models-in-use.js';
import { Commissioning, type CommissioningDeps } from './commissioning.js';
import { Retraining } from './retraining.js';
import { Trainer } from './trainer.js';

export interface OpenCommissioningDeps extends Omit<CommissioningDeps, 'retraining' | 'config'> {
  readonly alarms: Pick<AlarmEngine, 'all' | 'inMaintenance'>;
  readonly modelStore: ModelStore;
  readonly models: ModelsInUse;
  readonly config: GatewayConfig;
}

/** How long what was found of the alarms of a machine holds, milliseconds. */
const FRESH_MS = 1_000;

/** The learning of points, wired to the parts of the gateway. */
export function openCommissioning(deps: OpenCommissioningDeps): {
  readonly commissioning: Commissioning;
  readonly onWindow: (window: AnalysedWindow) => void;
} {
  const { config, clock } = deps;
  const { path } = config.storage;
  const retraining = new Retraining({
    ...deps,
    gatewayId: config.gateway.id,
    database: join(path, DATABASE_FILE),
    folder: join(path, 'training'),
    trainer: new Trainer(clock),
  });
  const commissioning = new Commissioning({ ...deps, retraining, config: config.commissioning });
  const troubleOf = troubles(deps.alarms, clock);
  return {
    commissioning,
    onWindow: ({ context, confirmed, state = RUNNING, ...window }) => {
      const { point, machine, size } = context;
      if (!commissioning.isCollecting(point)) return;
      const trouble = troubleOf(machine) ?? (confirmed ? 'an anomaly is confirmed' : undefined);
      commissioning.window({
        ...window,
        point,
        size,
        trouble,
        state: teaches(state) ? state.name : undefined,
      });
    },
  };
}

/** What stands at a machine, looked up once a second. */
function troubles(alarms: OpenCommissioningDeps['alarms'], clock: Clock) {
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
