import { AlarmEngine } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import type { Metrics } from '../../base/metrics.js';
import type { GatewayConfig } from '../../config/schema.js';
import { BUNDLED_MODELS_DIR, ModelStore } from '../../scoring/model-store.js';
import { quarantine } from '../../scoring/quarantine.js';
import { Scorer } from '../../scoring/scorer.js';
import { catalogueOf, modelsConfigSchema } from '../../scoring/selection.js';
import { Assessor } from '../assessment/assessor.js';
import { MachineRegistry } from '../machines/machines.js';
import { OperatingStates } from '../machines/operating-states.js';

/** The parts of the pipeline that judge, without sources, store and network: for `replay`. */
export interface Offline {
  readonly machines: MachineRegistry;
  readonly assessor: Assessor;
  readonly alarms: AlarmEngine;
  readonly states: OperatingStates;
  close(): Promise<void>;
}

export async function startOffline(options: {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly config: GatewayConfig | undefined;
  /** What a recording set itself says of its machines, where there is no config. */
  readonly machines?: MachineRegistry;
}): Promise<Offline> {
  const { clock, metrics, config } = options;
  const store = new ModelStore({
    bundledDir: BUNDLED_MODELS_DIR,
    localDir: config === undefined ? BUNDLED_MODELS_DIR : `${config.storage.path}/models`,
    quarantine: quarantine(clock),
    metrics,
  });
  const { models } = await store.list();
  const scorer = new Scorer({ clock, metrics });
  const assessor = new Assessor(scorer, config?.models ?? modelsConfigSchema.parse({}), catalogueOf(models));
  const machines =
    (config === undefined ? options.machines : undefined) ?? new MachineRegistry(config?.machines ?? []);
  return {
    machines,
    assessor,
    states: new OperatingStates(machines),
    alarms: new AlarmEngine(config?.alarms ?? [], { machineOf: (id) => machines.factsOf(id) }),
    close: () => scorer.close(),
  };
}
