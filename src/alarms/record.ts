import { z } from 'zod';
import { PRIORITIES, type Priority } from './config.js';
import type { GroupPlace } from './groups.js';
import {
  ALARM_STATES,
  type AlarmInput,
  type AlarmState,
  type AlarmStateName,
  SUPPRESSORS,
  type Suppressor,
} from './transition.js';

/** Who did it, and how that is known. */
export interface Actor {
  /** Name as it was given. */
  readonly by: string;
  readonly note?: string;
}

/** One change of an alarm's state, in words. */
export interface AlarmTransition {
  readonly alarm: string;
  readonly point: string;
  readonly from: AlarmStateName;
  readonly to: AlarmStateName;
  /** What led to it. */
  readonly cause: AlarmInput['kind'];
  /** The priority of the definition. */
  readonly severity: Priority;
  readonly class?: string;
  readonly message: string;
  /** Of the data that led to it, or of what was done, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** Value and limit that led to it, where it was a value. */
  readonly value?: number;
  readonly limit?: number;
  /** Until when it is shelved. */
  readonly untilMs?: number;
  /** Its place among the alarms of its machine that came together. */
  readonly group?: GroupPlace;
  readonly by?: string;
  readonly note?: string;
}

/**
 * The event that began what the alarm is in: that it was raised, or was silenced while it was normal. All that follows,
 * until it begins anew, names that event as its cause and has its correlation id.
 */
export interface AlarmThread {
  readonly eventId: string;
  readonly correlationId: string;
}

/** One alarm at one point, as it is stored and shown. */
export interface AlarmRecord {
  readonly alarm: string;
  readonly point: string;
  readonly severity: Priority;
  readonly message: string;
  readonly state: AlarmStateName;
  readonly sinceMs: number;
  readonly active: boolean;
  /** When it came last, milliseconds since the Unix epoch; 0 where it never did. */
  readonly raisedMs: number;
  /** Since when a delay runs, where one does. */
  readonly pendingSinceMs?: number;
  readonly shelf?: { readonly sinceMs: number; readonly untilMs: number };
  readonly suppressed?: readonly Suppressor[];
  readonly outOfService?: true;
  readonly group?: GroupPlace;
  readonly thread?: AlarmThread;
  /** Who changed it last, and why. */
  readonly by?: string;
  readonly note?: string;
}

/** Also takes the records of earlier versions, which knew neither `active` nor `raisedMs`. */
const recordSchema = z
  .object({
    alarm: z.string(),
    point: z.string(),
    severity: z.enum(PRIORITIES),
    message: z.string(),
    state: z.enum(ALARM_STATES),
    sinceMs: z.number(),
    active: z.boolean().optional(),
    raisedMs: z.number().optional(),
    pendingSinceMs: z.number().exactOptional(),
    shelf: z.object({ sinceMs: z.number(), untilMs: z.number() }).exactOptional(),
    suppressed: z.array(z.enum(SUPPRESSORS)).min(1).exactOptional(),
    outOfService: z.literal(true).exactOptional(),
    group: z.object({ id: z.string(), firstOut: z.boolean(), place: z.number() }).exactOptional(),
    thread: z.object({ eventId: z.string(), correlationId: z.string() }).exactOptional(),
    by: z.string().exactOptional(),
    note: z.string().exactOptional(),
  })
  .transform(
    ({ active, raisedMs, ...record }): AlarmRecord => ({
      ...record,
      active: active ?? (record.state === 'unacknowledged' || record.state === 'acknowledged'),
      raisedMs: raisedMs ?? record.sinceMs,
    }),
  );

/** Undefined for what is no record. */
export const parseRecord = (document: unknown): AlarmRecord | undefined =>
  recordSchema.safeParse(document).data;

export const stateOfRecord = ({
  state,
  sinceMs,
  active,
  pendingSinceMs,
  shelf,
  suppressed,
  outOfService,
}: AlarmRecord): AlarmState => ({
  state,
  sinceMs,
  active,
  ...(pendingSinceMs === undefined ? {} : { pendingSinceMs }),
  ...(shelf === undefined ? {} : { shelf }),
  ...(suppressed === undefined ? {} : { suppressed }),
  ...(outOfService === undefined ? {} : { outOfService }),
});
