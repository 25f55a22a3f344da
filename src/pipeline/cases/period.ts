import { z } from 'zod';
import type { GatewayEvent } from '../../events/event.js';

/** What a person says that a stretch of time was; `withdrawn` takes back what was said before. */
export const VERDICTS = ['fault', 'healthy', 'withdrawn'] as const;

const payloadSchema = z.object({
  point: z.string(),
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  verdict: z.enum(VERDICTS),
  cause: z.string().exactOptional(),
  by: z.string(),
  note: z.string().exactOptional(),
  /** Alarms of the machine that stood meanwhile, `ALARM@POINT`. */
  alarms: z.array(z.string()).default([]),
  /** Labels that this one takes the place of, or takes back. */
  replaces: z.array(z.string()).default([]),
});

/** A stretch of time at a point of which a person said what it was, whatever the gateway saw. */
export interface LabelledPeriod {
  /** Of the event that says it. */
  readonly id: string;
  readonly point: string;
  /** Milliseconds since the Unix epoch; windows that begin in it, before `toMs`. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly isFault: boolean;
  /** What it was, as it was typed. */
  readonly cause?: string;
  readonly by: string;
  readonly note?: string;
  /** When it was said. */
  readonly saidMs: number;
  /** Alarms of the machine that stood meanwhile: none beside a fault is a missed alarm. */
  readonly alarms: readonly string[];
}

export type PeriodPayload = z.infer<typeof payloadSchema>;

/** What a `PeriodLabelled` says; undefined for what is none. */
export const parsePeriod = (payload: unknown): PeriodPayload | undefined =>
  payloadSchema.safeParse(payload).data;

/** Labels that hold, in the order in which they were said. Pure. @param events in the order of the journal */
export function periodsOf(events: Iterable<GatewayEvent>): LabelledPeriod[] {
  const held = new Map<string, LabelledPeriod>();
  for (const { id, type, time, payload } of events) {
    const said = type === 'PeriodLabelled' ? parsePeriod(payload) : undefined;
    if (said === undefined) continue;
    for (const before of said.replaces) held.delete(before);
    if (said.verdict === 'withdrawn') continue;
    const { point, by, cause, note, alarms, verdict, from, to } = said;
    held.set(id, {
      ...{ id, point, by, alarms },
      ...{ fromMs: Date.parse(from), toMs: Date.parse(to), saidMs: Date.parse(time) },
      isFault: verdict === 'fault',
      ...(cause === undefined ? {} : { cause }),
      ...(note === undefined ? {} : { note }),
    });
  }
  return [...held.values()];
}

/** Whether a fault was there and no alarm. */
export const isMissed = ({ isFault, alarms }: Pick<LabelledPeriod, 'isFault' | 'alarms'>): boolean =>
  isFault && alarms.length === 0;
