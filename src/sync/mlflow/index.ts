import type { SyncPart } from '../part.js';
import { type MlflowConfig, mlflowConfigSchema } from './config.js';

export const mlflowPart: SyncPart<MlflowConfig> = {
  type: 'mlflow',
  configSchema: mlflowConfigSchema,
  async create(config, deps) {
    const { MlflowSync } = await import('./sync.js');
    return new MlflowSync(config, deps);
  },
};
