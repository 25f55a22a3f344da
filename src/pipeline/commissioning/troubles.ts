import type { EventType, GatewayEvent } from '../../events/event.js';
import { pointParts } from '../../signals/point.js';
import { type LabelledPeriod, periodsOf } from '../cases/period.js';

/** Why a stretch of time does not count as healthy. */
export const TROUBLES = ['alarm', 'true-alarm', 'reported', 'anomaly', 'maintenance'] as const;
export type Trouble = (typeof TROUBLES)[number];

/** From and to belong to it; without an end it goes on. Milliseconds since the Unix epoch. */
export interface TroubleSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly trouble: Trouble;
}

/** What a person said of one alarm, and when it stood. */
export interface LabelledSpan {
  /** Of the event that says it. */
  readonly id: string;
  readonly alarm: string;
  readonly point: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly correct: boolean;
  /** What it was, as it was typed. */
  readonly cause?: string;
  readonly by: string;
}

/** A confirmed anomaly, by the event that says that it is believed. */
interface Anomaly {
  readonly id: string;
  readonly point: string;
  readonly timeMs: number;
  readonly fault?: string;
}

export interface Troubles {
  readonly spans: readonly TroubleSpan[];
  readonly labels: readonly LabelledSpan[];
  readonly anomalies: readonly Anomaly[];
  /** Stretches that a person called false alarms: what scored high there is healthy. */
  readonly forgiven: readonly { readonly fromMs: number; readonly toMs: number }[];
  /** Stretches in which a person said that a point was healthy: alarms that nobody called true do not count there. */
  readonly healthy: readonly LabelledPeriod[];
  /** All alarms, and what people called them. */
  readonly stood: readonly StoodAlarm[];
}

/** An alarm while it stood. Milliseconds since the Unix epoch. */
export interface StoodAlarm {
  readonly alarm: string;
  readonly point: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Undefined where nobody said. */
  readonly correct: boolean | undefined;
}

/** Events that tell of troubles. */
export const TROUBLE_EVENTS: readonly EventType[] = [
  'AlarmRaised',
  'AlarmAcknowledged',
  'AlarmReturnedToNormal',
  'AlarmShelved',
  'AlarmUnshelved',
  'AlarmSuppressed',
  'AlarmUnsuppressed',
  'AlarmRemovedFromService',
  'AlarmReturnedToService',
  'AlarmReset',
  'AlarmLabelled',
  'PeriodLabelled',
  'AnomalyDetected',
  'AnomalyValidated',
];

/** The condition of an alarm is gone in these states; silenced ones count as standing, since nobody looked. */
const GONE: ReadonlySet<string> = new Set([
  'normal',
  'returned-unacknowledged',
  'latched-unacknowledged',
  'latched-acknowledged',
]);
/** What led to an alarm came before it: its delays, and the blocks that it took to believe an anomaly. */
const BEFORE_MS = 120_000;
/** The alarm that a label names by its time. */
const SAME_MS = 1_000;

interface Standing {
  readonly alarm: string;
  readonly point: string;
  readonly fromMs: number;
  toMs: number;
  readonly anomaly: string | undefined;
  label: { id: string; correct: boolean; cause?: string; by: string } | undefined;
}

/**
 * What was wrong at a machine and when, as the journal tells it; pure. A false alarm is no trouble, and neither is the
 * anomaly that led to it.
 * @param events those of `TROUBLE_EVENTS`, in the order of the journal
 */
export function troublesOf(events: Iterable<GatewayEvent>, machine: string): Troubles {
  const standing: Standing[] = [];
  const open = new Map<string, Standing>();
  const service = new Map<string, number>();
  const spans: TroubleSpan[] = [];
  const anomalies: Anomaly[] = [];
  const faults = new Map<string, string>();
  const said: GatewayEvent[] = [];
  for (const event of events) {
    const { point, alarm, to } = event.payload as { point?: string; alarm?: string; to?: string };
    if (point === undefined || pointParts(point).machine !== machine) continue;
    const timeMs = timeOf(event);
    if (event.type === 'AnomalyDetected') {
      const fault = (event.payload.diagnosis as { fault?: string } | undefined)?.fault;
      if (fault !== undefined) faults.set(event.id, fault);
    } else if (event.type === 'AnomalyValidated') {
      const fault = faults.get(event.causationId ?? '');
      if (event.payload.outcome === 'confirmed')
        anomalies.push({ id: event.id, point, timeMs, ...(fault === undefined ? {} : { fault }) });
    } else if (event.type === 'PeriodLabelled') {
      said.push(event);
    } else if (event.type === 'AlarmLabelled') {
      labelled(standing, event, alarm, point);
    } else if (alarm !== undefined) {
      const key = `${alarm}\n${point}`;
      const now = open.get(key);
      if (event.type === 'AlarmRaised' && now === undefined) {
        const one: Standing = {
          ...{ alarm, point, fromMs: timeMs, toMs: Number.POSITIVE_INFINITY },
          anomaly: event.causationId,
          label: undefined,
        };
        standing.push(one);
        open.set(key, one);
      } else if (now !== undefined && GONE.has(to ?? '')) {
        now.toMs = timeMs;
        open.delete(key);
      }
      if (event.type === 'AlarmRemovedFromService') service.set(key, timeMs);
      const worksSince = service.get(key);
      if (event.type === 'AlarmReturnedToService' && worksSince !== undefined) {
        spans.push({ fromMs: worksSince, toMs: timeMs, trouble: 'maintenance' });
        service.delete(key);
      }
    }
  }
  for (const fromMs of service.values())
    spans.push({ fromMs, toMs: Number.POSITIVE_INFINITY, trouble: 'maintenance' });
  const periods = periodsOf(said);
  for (const { isFault, fromMs, toMs } of periods)
    if (isFault) spans.push({ fromMs, toMs, trouble: 'reported' });
  const healthy = periods.filter(({ isFault }) => !isFault);
  const isVouchedFor = ({ point, timeMs }: Anomaly) =>
    healthy.some((of) => of.point === point && of.fromMs <= timeMs && timeMs <= of.toMs);
  const falseOnes = standing.filter(({ label }) => label?.correct === false);
  const forgivenIds = new Set(falseOnes.map(({ anomaly }) => anomaly));
  for (const { fromMs, toMs, label } of standing)
    if (label?.correct !== false)
      spans.push({
        fromMs: fromMs - BEFORE_MS,
        toMs,
        trouble: label?.correct === true ? 'true-alarm' : 'alarm',
      });
  return {
    spans,
    labels: standing.flatMap(({ label, alarm, point, fromMs, toMs }) =>
      label === undefined ? [] : [{ alarm, point, fromMs, toMs, ...label }],
    ),
    anomalies: anomalies.filter((one) => !forgivenIds.has(one.id) && !isVouchedFor(one)),
    forgiven: falseOnes.map(({ fromMs, toMs }) => ({ fromMs: fromMs - BEFORE_MS, toMs })),
    healthy,
    stood: standing.map(({ alarm, point, fromMs, toMs, label }) => ({
      ...{ alarm, point, fromMs, toMs },
      correct: label?.correct,
    })),
  };
}

function labelled(
  standing: readonly Standing[],
  event: GatewayEvent,
  alarm: string | undefined,
  point: string,
): void {
  const { raised, correct, cause, by } = event.payload as {
    raised?: string;
    correct?: boolean;
    cause?: string;
    by?: string;
  };
  if (correct === undefined) return;
  const raisedMs = Date.parse(raised ?? '');
  const same = standing.filter((one) => one.alarm === alarm && one.point === point);
  const meant = same.find(({ fromMs }) => Math.abs(fromMs - raisedMs) <= SAME_MS) ?? same.at(-1);
  if (meant === undefined) return;
  meant.label = {
    id: event.id,
    correct,
    by: by ?? 'somebody',
    ...(cause === undefined ? {} : { cause }),
  };
}

/** Time of the data, where the payload tells it. */
function timeOf({ payload, time }: GatewayEvent): number {
  const of = Date.parse(typeof payload.time === 'string' ? payload.time : time);
  return Number.isFinite(of) ? of : Date.parse(time);
}
