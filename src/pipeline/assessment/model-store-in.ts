import type { Clock } from '../../base/clock.js';
import type { Metrics } from '../../base/metrics.js';
import { BUNDLED_MODELS_DIR, ModelStore } from '../../scoring/model-store.js';
import { quarantine } from '../../scoring/quarantine.js';

/** The bundled models and those of a folder, each let in through the quarantine. */
export const modelStoreIn = (localDir: string, clock: Clock, metrics: Metrics): ModelStore =>
  new ModelStore({ bundledDir: BUNDLED_MODELS_DIR, localDir, quarantine: quarantine(clock), metrics });
