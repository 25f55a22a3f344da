import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { ModelStore } from '../../scoring/model-store.js';
import { probeOnnx } from '../../scoring/probe.js';
import { Scorer } from '../../scoring/scorer.js';
import { catalogueOf, type ModelsConfig } from '../../scoring/selection.js';
import type { Store } from '../../storage/store.js';
import { Assessor } from './assessor.js';
import { ModelFaults } from './model-faults.js';
import { modelStoreIn } from './model-store-in.js';
import { ModelsInUse } from './models-in-use.js';

/** What scores: the models on disk, the thread that runs them, and what is usual at each point. */
export interface ScoringParts {
  readonly scorer: Scorer;
  readonly modelStore: ModelStore;
  readonly modelFaults: ModelFaults;
  readonly assessor: Assessor;
  readonly models: ModelsInUse;
}

export async function openScoring(deps: {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly store: Pick<Store, 'document' | 'write'>;
  /** Folder of the database; the models lie beside it. */
  readonly folder: string;
  readonly config: ModelsConfig;
}): Promise<ScoringParts> {
  const { clock, logger, metrics, store, folder, config } = deps;
  // Beside the start, not before it: until it is known, points are scored by their baselines.
  const probe = probeOnnx(clock);
  const scorer = new Scorer({ clock, metrics, probe });
  const modelStore = modelStoreIn(join(folder, 'models'), clock, metrics);
  await modelStore.open();
  const { models: stored, broken } = await modelStore.list();
  const modelFaults = new ModelFaults({ clock, logger, metrics });
  modelFaults.reset(broken);
  void probe.result.then((found) => modelFaults.runtime(found));
  const assessor = new Assessor(scorer, config, catalogueOf(stored), {
    fallback: (point, reason) => logger.info({ point, reason }, 'scored by its baseline alone'),
    threshold: (point, reason) => logger.warn({ point, reason }, 'no threshold for this operating state'),
    broken: (model, error) => modelFaults.report(model, error),
  });
  const models = new ModelsInUse(modelStore, scorer, assessor, config, store, modelFaults);
  return { scorer, modelStore, modelFaults, assessor, models };
}
