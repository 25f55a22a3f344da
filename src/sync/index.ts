import { z } from 'zod';
import { mlflowPart } from './mlflow/index.js';
import { sparkplugNodePart } from './sparkplug/index.js';

/** Every remote that the gateway can talk to. */
export const syncParts = [mlflowPart, sparkplugNodePart] as const;

/** The `sync:` section: one key for each remote. */
export const syncConfigSchema = z
  .strictObject({
    mlflow: mlflowPart.configSchema.optional(),
    sparkplug: sparkplugNodePart.configSchema.optional(),
  })
  .prefault({});
