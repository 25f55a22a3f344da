import { mlflowPart } from './mlflow/index.js';

/** Every remote that the gateway can talk to. */
export const syncParts = [mlflowPart] as const;
