import { z } from 'zod';
import { alarmConfigSchema } from '../alarms/config.js';
import { identifier, listenAddress } from '../base/schema.js';
import { analysisConfigSchema } from '../features/analysis-config.js';
import { commissioningConfigSchema } from '../scoring/learning/config.js';
import { modelsConfigSchema } from '../scoring/selection.js';
import { watchedMachineSchema } from '../scoring/watched-machine.js';
import { sourceConfigSchema } from '../sources/index.js';
import { storageConfigSchema } from '../storage/config.js';
import { syncConfigSchema } from '../sync/index.js';

/** The whole config file. Each part's schema lives beside the part; this only puts them together. */
export const gatewayConfigSchema = z.strictObject({
  gateway: z
    .strictObject({
      id: identifier().describe('Name of this gateway, unique in the fleet'),
      site: identifier().default('site').describe('Name of the plant; the MLflow experiment bears it'),
    })
    .describe('Who this gateway is'),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('Least severity'),
    })
    .prefault({})
    .describe('The log: JSON lines on stderr'),
  storage: storageConfigSchema,
  http: z
    .strictObject({
      listen: listenAddress()
        .prefault('127.0.0.1:8080')
        .describe('Address of health, metrics and the API; keep it on loopback or behind a proxy'),
      keys: z
        .array(z.string().min(16).max(200))
        .max(100)
        .default([])
        .describe(
          'Keys for the API (header X-API-Key), best from !file; without one only this machine gets in',
        ),
    })
    .prefault({})
    .describe('HTTP'),
  analysis: analysisConfigSchema,
  sources: z.array(sourceConfigSchema).max(100).default([]).describe('Where signals come from'),
  machines: z.array(watchedMachineSchema).max(1000).default([]).describe('The machines and their nameplates'),
  alarms: z.array(alarmConfigSchema).max(5000).default([]).describe('When somebody is to be told'),
  models: modelsConfigSchema.describe('Which model scores which point'),
  commissioning: commissioningConfigSchema.describe('Which points the gateway learns itself, and how'),
  sync: syncConfigSchema.describe('What this gateway exchanges with whom'),
});

export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
