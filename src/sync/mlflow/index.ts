import type { SyncPart } from '../part.js';
import { type MlflowConfig, mlflowConfigSchema } from './config.js';
import { MlflowSync } from './sync.js';

export const mlflowPart: SyncPart<MlflowConfig> = {
  type: 'mlflow',
  configSchema: mlflowConfigSchema,
  create: (config, deps) => new MlflowSync(config, deps),
};
