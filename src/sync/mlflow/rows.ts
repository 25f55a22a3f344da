import { createHash } from 'node:crypto';
import { z } from 'zod';
import { EVENT_TYPES, type GatewayEvent } from '../../events/event.js';
import type { OutboxDraft, OutboxLane } from '../../storage/outbox.js';
import type { LearnedModel, LocalModel, MetricSummary } from '../part.js';
import { MAX_KEY_LENGTH, type Metric } from './client.js';

/** The name of this remote in the outbox. */
export const SINK = 'mlflow';

const localModel = z.object({ name: z.string().min(1), version: z.string().min(1) });

const metricsPayload = z.object({
  model: localModel,
  timeMs: z.int(),
  step: z.int(),
  metrics: z.record(z.string(), z.number()),
});

const eventPayload = z.object({
  model: localModel,
  event: z.looseObject({ id: z.string().min(1), type: z.enum(EVENT_TYPES), time: z.string() }),
});

const modelPayload = z.object({
  model: localModel,
  registeredName: z.string().min(1).max(200),
  /** Folder with model.onnx and manifest.json. */
  folder: z.string().min(1),
  description: z.string().max(4000),
  tags: z.record(z.string(), z.string()),
});

export type ModelPayload = z.infer<typeof modelPayload>;
export type MetricsPayload = z.infer<typeof metricsPayload>;
export type EventPayload = z.infer<typeof eventPayload>;

/** What a row of the outbox holds; undefined where it is none of ours. */
export function readPayload(
  kind: string,
  payload: unknown,
): { metrics: MetricsPayload } | { event: EventPayload } | { upload: ModelPayload } | undefined {
  if (kind === 'metrics') {
    const parsed = metricsPayload.safeParse(payload);
    return parsed.success ? { metrics: parsed.data } : undefined;
  }
  if (kind === 'event') {
    const parsed = eventPayload.safeParse(payload);
    return parsed.success ? { event: parsed.data } : undefined;
  }
  if (kind === 'model') {
    const parsed = modelPayload.safeParse(payload);
    return parsed.success ? { upload: parsed.data } : undefined;
  }
  return undefined;
}

/** Begins the key of the row by which a version goes up; its name and version follow. */
export const modelRowPrefix = 'model/';

/** A version goes up once, however often it is asked for. */
export function modelDraft(
  { model, ...learned }: LearnedModel,
  gatewayId: string,
  lane: OutboxLane,
  createdMs: number,
): OutboxDraft {
  const { name, version } = model;
  const payload: ModelPayload = {
    ...learned,
    model: { name, version },
    // Many gateways stand beside a pump-1.
    registeredName: `${gatewayId}.${name}`,
  };
  return { sink: SINK, lane, kind: 'model', key: `${modelRowPrefix}${name}/${version}`, payload, createdMs };
}

/**
 * MLflow's step orders the values of a metric and must not depend on what was sent before: whole seconds since the
 * Unix epoch, so that it is the same after a restart, and the newest value stays the newest while a backlog follows.
 */
export const stepOf = (timeMs: number): number => Math.floor(timeMs / 1000);

/** The row of a summary, and how many of its values were left out because they are no finite numbers. */
export function metricsDraft(
  summary: MetricSummary,
  defaultModel: LocalModel,
  lane: OutboxLane,
  createdMs: number,
): { draft: OutboxDraft | undefined; skipped: number } {
  const entries = Object.entries(summary.metrics);
  const usable = entries.filter(([, value]) => Number.isFinite(value));
  const skipped = entries.length - usable.length;
  if (usable.length === 0) return { draft: undefined, skipped };
  const model = summary.model ?? defaultModel;
  const timeMs = Math.round(summary.timeMs);
  const payload: MetricsPayload = {
    model: { name: model.name, version: model.version },
    timeMs,
    step: stepOf(timeMs),
    metrics: Object.fromEntries(usable.map(([name, value]) => [metricKey(name), value])),
  };
  // By content, so that two summaries of one moment are two rows and the same one twice is one.
  const digest = createHash('sha256').update(JSON.stringify(payload)).digest('hex').slice(0, 16);
  const key = `metrics/${timeMs}/${digest}`;
  return { draft: { sink: SINK, lane, kind: 'metrics', key, payload: { ...payload }, createdMs }, skipped };
}

export function eventDraft(
  event: GatewayEvent,
  defaultModel: LocalModel,
  lane: OutboxLane,
  createdMs: number,
): OutboxDraft {
  // An anomaly names the model that found it; a baseline is no model of the registry, so it has no run of its own.
  const named = localModel.safeParse({ name: event.payload.model, version: event.payload.version });
  const { name, version } = named.success && named.data.name !== 'baseline' ? named.data : defaultModel;
  const model = { name, version };
  return { sink: SINK, lane, kind: 'event', key: `event/${event.id}`, payload: { model, event }, createdMs };
}

/** MLflow takes letters, digits, `_ - . : /` and spaces in a metric's name; other characters become `_`. */
export const metricKey = (name: string): string =>
  name
    .replace(/[^\p{L}\p{N}_.:/ -]/gu, '_')
    .split('/')
    // A name must not read as a path that leads elsewhere.
    .map((segment) => segment.replace(/^\.+$/, '_') || '_')
    .join('/')
    .slice(0, MAX_KEY_LENGTH);

export const metricsOf = (payload: MetricsPayload): Metric[] =>
  Object.entries(payload.metrics).map(([key, value]) => ({
    key,
    value,
    timestamp: payload.timeMs,
    step: payload.step,
  }));

/** Name of an event's file: sending it again replaces it by itself. */
export function eventFile(event: EventPayload['event']): string {
  const day = /^\d{4}-\d{2}-\d{2}/.exec(event.time)?.[0] ?? 'undated';
  return `events/${day}/${event.id.replace(/[^A-Za-z0-9_-]/g, '_')}.json`;
}
