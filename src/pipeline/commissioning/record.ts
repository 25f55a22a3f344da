import { z } from 'zod';
import { pointParts } from '../../signals/point.js';

const PREFIX = 'commissioning:';

/**
 * Where the learning of a point stands. `collecting`: healthy running time is being counted. `held`: the machine does not
 * look healthy, so a person has to say. `training`, then `in-use`; `failed` and `stopped` end it.
 */
export const COMMISSIONING_STATES = [
  'collecting',
  'held',
  'training',
  'in-use',
  'failed',
  'stopped',
] as const;

const modelSchema = z.object({ name: z.string(), version: z.string() });

const recordSchema = z.object({
  format: z.literal('sm-edge-commissioning/1'),
  point: z.string(),
  machine: z.string(),
  state: z.enum(COMMISSIONING_STATES),
  /** Who started it: a person, `config`, `schedule` or `drift`. */
  by: z.string(),
  /** Who says that the machine is healthy. */
  vouchedBy: z.string().exactOptional(),
  startedMs: z.number(),
  /** Time of the first window and end of the last, by the clock of the data. */
  firstMs: z.number().exactOptional(),
  lastMs: z.number().exactOptional(),
  /** Of the state. */
  sinceMs: z.number(),
  /** Healthy running time that is wanted, milliseconds. */
  neededMs: z.number().positive(),
  /** Healthy time so far by operating state, milliseconds. */
  healthyMs: z.record(z.string(), z.number()),
  /** Time that did not count, by reason, milliseconds. */
  leftOutMs: z.record(z.string(), z.number()),
  /** Windows, and those of them in zone D of ISO 20816-3. */
  windows: z.number().int(),
  inZoneD: z.number().int(),
  /** Whether the physical diagnosis has been asked. */
  diagnosed: z.boolean(),
  /** One sentence for the technician; empty where all is well. */
  says: z.string(),
  /** Share of the training that is done. */
  progress: z.number().exactOptional(),
  /** The learned model that is in use. */
  model: modelSchema.exactOptional(),
  learnedMs: z.number().exactOptional(),
  /** Of that model: operating states that it learned, and on how many windows; a thin one has no threshold of its own. */
  states: z
    .array(z.object({ state: z.string(), rows: z.number(), threshold: z.number(), thin: z.boolean() }))
    .exactOptional(),
  /** What was in use before it, to go back to; null: no learned model. */
  former: modelSchema.nullable().exactOptional(),
  /** Since when the inputs have drifted, milliseconds since the Unix epoch. */
  driftSinceMs: z.number().exactOptional(),
});

export type CommissioningRecord = z.infer<typeof recordSchema>;
export type CommissioningState = CommissioningRecord['state'];

export const recordKey = (point: string): string => `${PREFIX}${point}`;
export const RECORD_PREFIX = PREFIX;

/** Undefined for what is no record. */
export const parseRecord = (document: unknown): CommissioningRecord | undefined =>
  recordSchema.safeParse(document).data;

export const documentsOf = (...records: readonly CommissioningRecord[]) =>
  records.map((record) => ({ key: recordKey(record.point), document: record }));

export const healthySum = ({ healthyMs }: Pick<CommissioningRecord, 'healthyMs'>): number =>
  Object.values(healthyMs).reduce((sum, ms) => sum + ms, 0);

/** States in which something is going on. */
export const isOpen = ({ state }: Pick<CommissioningRecord, 'state'>): boolean =>
  state === 'collecting' || state === 'held' || state === 'training';

/** A point that begins to be learned; what was learned of it before stays in use meanwhile. */
export const newRecord = (
  point: string,
  by: string,
  neededMs: number,
  nowMs: number,
  known?: CommissioningRecord,
): CommissioningRecord => ({
  format: 'sm-edge-commissioning/1',
  ...{ point, by, neededMs, machine: pointParts(point).machine, state: 'collecting' },
  ...{ startedMs: nowMs, sinceMs: nowMs, healthyMs: {}, leftOutMs: {}, windows: 0, inZoneD: 0 },
  ...{ diagnosed: false, says: '' },
  ...(known?.model === undefined ? {} : { model: known.model }),
  ...(known?.learnedMs === undefined ? {} : { learnedMs: known.learnedMs }),
  ...(known?.states === undefined ? {} : { states: known.states }),
  ...(known?.former === undefined ? {} : { former: known.former }),
});
