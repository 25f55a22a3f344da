import type { Priority } from './config.js';
import { type AlarmLoad, alarmLoad } from './load.js';
import type { AlarmRecord } from './record.js';

/** One alarm event as the statistics need it. */
export interface AlarmFact {
  readonly type: 'raised' | 'acknowledged' | 'returned' | 'other';
  readonly alarm: string;
  readonly point: string;
  readonly severity: Priority;
  readonly timeMs: number;
}

/** One alarm at one point, with a count. */
export interface AlarmCount {
  readonly alarm: string;
  readonly point: string;
  readonly count: number;
  /** Of all alarms of the period, 0 to 1. */
  readonly share: number;
}

/** Measures of ISA-18.2-2016 and IEC 62682, clause 16 (monitoring and assessment). */
export interface AlarmStatistics extends AlarmLoad {
  readonly fromMs: number;
  readonly toMs: number;
  readonly raised: number;
  /** The ten most frequent. */
  readonly frequent: readonly AlarmCount[];
  /** What they are of all alarms, 0 to 1; the standard wants less than 0.05. */
  readonly frequentShare: number;
  /** Those that came three times or more within a minute, with how many minutes they did so. */
  readonly chattering: readonly AlarmCount[];
  /** Those that went within a minute without anybody having acknowledged them: with how often. */
  readonly fleeting: readonly AlarmCount[];
  /** Those that have been present for more than a day. */
  readonly standing: readonly { readonly alarm: string; readonly point: string; readonly sinceMs: number }[];
  /** Shares by priority, 0 to 1; the standard recommends about 80 % low, 15 % medium, 5 % high. */
  readonly byPriority: Readonly<Record<Priority, number>>;
  /** Median from the alarm to its acknowledgement, milliseconds; undefined where none was acknowledged. */
  readonly acknowledgedAfterMs: number | undefined;
  readonly unacknowledged: number;
  readonly shelved: number;
  readonly suppressed: number;
  readonly outOfService: number;
  /** Faults that people reported and no alarm told of, by the time at which they were. */
  readonly missed: readonly MissedFault[];
}

/** A fault that a person reported. Milliseconds since the Unix epoch. */
export interface MissedFault {
  readonly point: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly cause: string;
  readonly by: string;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** That often within a minute is chattering. */
const CHATTER = 3;
const MOST_FREQUENT = 10;

/**
 * @param facts the alarm events of the period, oldest first
 * @param now the alarms as they are
 * @param missed faults of any time that no alarm told of
 */
export function alarmStatistics(
  facts: readonly AlarmFact[],
  now: readonly AlarmRecord[],
  fromMs: number,
  toMs: number,
  missed: readonly MissedFault[] = [],
): AlarmStatistics {
  const raised = facts.filter(({ type }) => type === 'raised');
  const counts = (items: readonly AlarmFact[]) => countByAlarm(items, raised.length);
  const frequent = counts(raised).slice(0, MOST_FREQUENT);
  const inState = (state: AlarmRecord['state']) => now.filter((record) => record.state === state).length;
  return {
    fromMs,
    toMs,
    raised: raised.length,
    frequent,
    frequentShare: frequent.reduce((sum, { share }) => sum + share, 0),
    chattering: counts(chatter(raised)),
    fleeting: counts(fleeting(facts)),
    standing: now
      .filter(({ active, raisedMs }) => active && raisedMs > 0 && toMs - raisedMs > DAY_MS)
      .map(({ alarm, point, raisedMs }) => ({ alarm, point, sinceMs: raisedMs }))
      .sort((a, b) => a.sinceMs - b.sinceMs),
    ...alarmLoad(raised, fromMs, toMs),
    byPriority: byPriority(raised),
    acknowledgedAfterMs: median(timesToAcknowledge(facts)),
    unacknowledged: now.filter(({ state }) => state.endsWith('unacknowledged')).length,
    shelved: inState('shelved'),
    suppressed: inState('suppressed'),
    outOfService: inState('out-of-service'),
    missed: missed.filter((of) => of.fromMs < toMs && of.toMs >= fromMs),
  };
}

const keyOf = ({ alarm, point }: AlarmFact): string => `${alarm}\n${point}`;

function byAlarm(facts: readonly AlarmFact[]): Map<string, AlarmFact[]> {
  const groups = new Map<string, AlarmFact[]>();
  for (const fact of facts) {
    const group = groups.get(keyOf(fact));
    if (group === undefined) groups.set(keyOf(fact), [fact]);
    else group.push(fact);
  }
  return groups;
}

function countByAlarm(facts: readonly AlarmFact[], total: number): AlarmCount[] {
  return [...byAlarm(facts).values()]
    .map((group) => ({
      alarm: group[0]!.alarm,
      point: group[0]!.point,
      count: group.length,
      share: total === 0 ? 0 : group.length / total,
    }))
    .sort((a, b) => b.count - a.count || a.alarm.localeCompare(b.alarm) || a.point.localeCompare(b.point));
}

/** The alarm that completed three within a minute, once for each such run. */
function chatter(raised: readonly AlarmFact[]): AlarmFact[] {
  return [...byAlarm(raised).values()].flatMap((group) => {
    const found: AlarmFact[] = [];
    for (let from = 0; from + CHATTER <= group.length; ) {
      const last = group[from + CHATTER - 1]!;
      if (last.timeMs - group[from]!.timeMs <= MINUTE_MS) {
        found.push(last);
        from += CHATTER;
      } else from++;
    }
    return found;
  });
}

function fleeting(facts: readonly AlarmFact[]): AlarmFact[] {
  return [...byAlarm(facts).values()].flatMap((group) =>
    group.filter((fact, index) => {
      const next = group[index + 1];
      return fact.type === 'raised' && next?.type === 'returned' && next.timeMs - fact.timeMs <= MINUTE_MS;
    }),
  );
}

function byPriority(raised: readonly AlarmFact[]): Record<Priority, number> {
  const share = (priority: Priority) =>
    raised.length === 0 ? 0 : raised.filter(({ severity }) => severity === priority).length / raised.length;
  return { low: share('low'), medium: share('medium'), high: share('high'), critical: share('critical') };
}

function timesToAcknowledge(facts: readonly AlarmFact[]): number[] {
  const since = new Map<string, number>();
  return facts.flatMap((fact) => {
    const key = keyOf(fact);
    const raisedMs = since.get(key);
    if (fact.type === 'raised') since.set(key, raisedMs ?? fact.timeMs);
    if (fact.type !== 'acknowledged' || raisedMs === undefined) return [];
    since.delete(key);
    return [fact.timeMs - raisedMs];
  });
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
