import { z } from 'zod';
import { applyScaler, narrowed, type Scaler } from '../../scoring/learning/scaler.js';

const CASE = 'case:';
const HEALTHY = 'healthy:';

const vector = z.record(z.string(), z.number());

const caseSchema = z.object({
  format: z.literal('sm-edge-case/1'),
  /** Of the event that labelled it. */
  id: z.string(),
  point: z.string(),
  machineClass: z.string(),
  quantity: z.string(),
  /** Name of the fault, in lower case with dashes: `outer-race`. */
  label: z.string(),
  /** As a person wrote it. */
  cause: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  /** The alarm that was labelled; missing where a person reported a stretch of time. */
  alarm: z.string().exactOptional(),
  /** The event in which a person reported it. */
  period: z.string().exactOptional(),
  by: z.string(),
  /** Windows that it is the median of. */
  windows: z.number().int().positive(),
  features: vector,
  /** The fault that physics named while it stood; missing where it named none. */
  diagnosis: z.string().exactOptional(),
  /** Some of the windows, evenly chosen. */
  examples: z.array(vector).max(16).default([]),
});

/** A fault that a person named, as the features of its point were while it stood. */
export type FaultRecord = z.infer<typeof caseSchema>;

const healthySchema = z.object({
  format: z.literal('sm-edge-healthy/1'),
  point: z.string(),
  scaler: z.object({
    features: z.array(z.string()),
    log: z.array(z.boolean()),
    centers: z.array(z.number()),
    scales: z.array(z.number()),
    floors: z.array(z.number()),
  }),
  /** Typical windows, with their times. */
  windows: z.array(z.object({ timeMs: z.number(), state: z.string(), features: vector })),
});

/** How a point is while its machine is healthy: learned with its model. */
export type HealthyRecord = z.infer<typeof healthySchema>;

export const CASE_PREFIX = CASE;
export const HEALTHY_PREFIX = HEALTHY;
export const caseDocument = (record: FaultRecord) => ({ key: `${CASE}${record.id}`, document: record });
export const healthyDocument = (record: HealthyRecord) => ({
  key: `${HEALTHY}${record.point}`,
  document: record,
});
export const parseCase = (document: unknown): FaultRecord | undefined => caseSchema.safeParse(document).data;
export const parseHealthy = (document: unknown): HealthyRecord | undefined =>
  healthySchema.safeParse(document).data;

/** `Outer race!` → `outer-race`: what people type is not always the same. Empty where nothing is left. */
export const labelOf = (cause: string): string =>
  cause
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64);

/** Features scaled by what is healthy at their point; undefined where one is missing. */
export function scaledBy(
  scaler: Scaler,
  row: Readonly<Record<string, number>>,
  wanted: readonly string[] = scaler.features,
): Float64Array | undefined {
  if (wanted.some((name) => !scaler.features.includes(name) || !Number.isFinite(row[name]))) return undefined;
  return applyScaler(narrowed(scaler, wanted), row);
}
