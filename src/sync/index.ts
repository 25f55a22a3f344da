import { z } from 'zod';
import { mlflowPart } from './mlflow/index.js';

/** Every remote that the gateway can talk to. */
export const syncParts = [mlflowPart] as const;

/** The `sync:` section: one key for each remote. */
export const syncConfigSchema = z
  .strictObject({
    [mlflowPart.type]: mlflowPart.configSchema.optional(),
  })
  .prefault({});
