import { z } from 'zod';
import { byteSize, duration, identifier } from '../../base/schema.js';
import { pointName } from '../../signals/point.js';

const isPlainHttpUri = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const uri = new URL(text);
  return /^https?:$/.test(uri.protocol) && uri.username === '' && uri.password === '' && uri.search === '';
};

const auth = z.union([
  z.strictObject({
    username: z
      .string()
      .min(1)
      .max(255)
      .meta({ examples: ['gw-07'] })
      .describe('User of MLflow basic authentication'),
    password: z
      .string()
      .min(1)
      .max(1024)
      .meta({ examples: [`\${MLFLOW_PASSWORD}`] })
      .describe('Its password, best from a file: !file PATH'),
  }),
  z.strictObject({
    token: z.string().min(1).max(8192).describe('Bearer token, best from a file: !file PATH'),
  }),
]);

const selector = z
  .strictObject({
    class: identifier().optional().describe('Machine class, such as pump'),
    quantity: identifier().optional().describe('Measured quantity, such as acceleration'),
    point: pointName().optional().describe('One measuring point by name'),
  })
  .refine(
    (value) => Object.values(value).some((key) => key !== undefined),
    'name a class, a quantity or a point',
  );

const model = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^/:\p{Cc}]+$/u, 'a registered model has no "/" and no ":" in its name')
    .describe('Registered model in MLflow'),
  alias: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_-]{0,254}$/, 'an alias has letters, digits, "_" and "-"')
    .default('champion')
    .describe('Alias whose version is put into use here'),
  for: selector.describe('The points that the model scores'),
});

export const mlflowConfigSchema = z
  .strictObject({
    trackingUri: z
      .string()
      .max(2000)
      .refine(isPlainHttpUri, 'write http://host:port or https://host/path, without user, password or query')
      .describe('Address of the MLflow tracking server; it must serve artifacts (--serve-artifacts)'),
    experiment: z
      .string()
      .min(1)
      .max(250)
      .optional()
      .describe('Experiment to write to; the site of the gateway where missing'),
    auth: auth.optional().describe('How the gateway identifies itself; nothing where missing'),
    tls: z
      .strictObject({
        ca: z.string().min(1).describe('PEM file of the authority to trust instead of the public ones'),
      })
      .optional()
      .describe('For https with an authority of the plant'),
    interval: duration({ minMs: 1_000, maxMs: 86_400_000 })
      .prefault('1min')
      .describe('Time between two transmissions'),
    modelInterval: duration({ minMs: 1_000, maxMs: 7 * 86_400_000 })
      .prefault('5min')
      .describe('Time between two looks at the model registry'),
    stalledAfter: duration({ minMs: 1_000 })
      .prefault('1h')
      .describe('Time without any confirmation after which SyncStalled is published'),
    requestTimeout: duration({ minMs: 100, maxMs: 600_000 })
      .prefault('30s')
      .describe('Deadline of one request'),
    transferTimeout: duration({ minMs: 1_000, maxMs: 6 * 3_600_000 })
      .prefault('15min')
      .describe('Deadline of one file up or down; a cut download is resumed'),
    maxModelSize: byteSize({ minBytes: 1024 })
      .prefault('256MiB')
      .describe('A model version with more bytes than this is refused'),
    pushModels: z
      .boolean()
      .default(true)
      .describe('Registers the models that are learned here, each as a new version of GATEWAY.MODEL'),
    models: z.array(model).max(64).default([]).describe('Models that come down from the registry'),
  })
  .describe('The central MLflow');

export type MlflowConfig = z.infer<typeof mlflowConfigSchema>;
export type MlflowAuth = z.infer<typeof auth>;
export type ModelBinding = z.infer<typeof model>;
