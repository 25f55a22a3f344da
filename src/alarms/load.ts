/** How many alarms came when: the load on the operator, after ISA-18.2-2016 and IEC 62682, clause 16. */
export interface AlarmLoad {
  readonly perDay: number;
  readonly perHour: number;
  readonly perTenMinutes: {
    readonly average: number;
    readonly most: number;
    /** When the most began, milliseconds since the Unix epoch; undefined where nothing came. */
    readonly mostAtMs: number | undefined;
    /** Share of the ten-minute periods with more than ten alarms, 0 to 1; the standard wants less than 0.01. */
    readonly inFlood: number;
  };
  /** Share of the hours with more than thirty alarms, 0 to 1; the standard wants less than 0.01. */
  readonly hoursOver30: number;
  /** The newest, the oldest first. */
  readonly floods: readonly Flood[];
  /** Share of the time in a flood, 0 to 1; the standard wants less than 0.01. */
  readonly timeInFlood: number;
}

/** More alarms than one operator can take in: from more than ten in ten minutes until fewer than five. */
export interface Flood {
  readonly fromMs: number;
  readonly toMs: number;
  readonly alarms: number;
  /** The alarm that came first: often what led to the others. */
  readonly first: { readonly alarm: string; readonly point: string };
}

interface Raised {
  readonly alarm: string;
  readonly point: string;
  readonly timeMs: number;
}

const TEN_MINUTES_MS = 600_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** More than this in ten minutes begin a flood. */
export const FLOOD_ABOVE = 10;
/** Fewer than this in ten minutes end it. */
const FLOOD_BELOW = 5;
/** More than this in an hour are too many. */
const BUSY_HOUR = 30;
const MOST_FLOODS = 20;

/** @param raised in the order in which they came */
export function alarmLoad(raised: readonly Raised[], fromMs: number, toMs: number): AlarmLoad {
  const periodMs = Math.max(1, toMs - fromMs);
  const floods = floodsOf(raised, toMs);
  const tens = countPeriods(raised, fromMs, toMs, TEN_MINUTES_MS);
  const hours = countPeriods(raised, fromMs, toMs, HOUR_MS);
  let most: readonly [period: number, count: number] | undefined;
  for (const entry of tens.counts) if (most === undefined || entry[1] > most[1]) most = entry;
  const floodMs = floods.reduce((sum, flood) => sum + flood.toMs - Math.max(fromMs, flood.fromMs), 0);
  return {
    perDay: (raised.length * DAY_MS) / periodMs,
    perHour: (raised.length * HOUR_MS) / periodMs,
    perTenMinutes: {
      average: raised.length / tens.periods,
      most: most?.[1] ?? 0,
      mostAtMs: most === undefined ? undefined : fromMs + most[0] * TEN_MINUTES_MS,
      inFlood: shareOver(tens, FLOOD_ABOVE),
    },
    hoursOver30: shareOver(hours, BUSY_HOUR),
    floods: floods.slice(-MOST_FLOODS),
    timeInFlood: Math.min(1, floodMs / periodMs),
  };
}

interface Periods {
  readonly periods: number;
  readonly counts: ReadonlyMap<number, number>;
}

function countPeriods(raised: readonly Raised[], fromMs: number, toMs: number, lengthMs: number): Periods {
  const periods = Math.max(1, Math.ceil((toMs - fromMs) / lengthMs));
  const counts = new Map<number, number>();
  for (const { timeMs } of raised) {
    const period = Math.min(periods - 1, Math.max(0, Math.floor((timeMs - fromMs) / lengthMs)));
    counts.set(period, (counts.get(period) ?? 0) + 1);
  }
  return { periods, counts };
}

const shareOver = ({ periods, counts }: Periods, limit: number): number =>
  [...counts.values()].filter((count) => count > limit).length / periods;

function floodsOf(raised: readonly Raised[], toMs: number): Flood[] {
  const floods: Flood[] = [];
  for (let begin = 0; begin + FLOOD_ABOVE < raised.length; begin++) {
    const first = raised[begin]!;
    if (raised[begin + FLOOD_ABOVE]!.timeMs - first.timeMs >= TEN_MINUTES_MS) continue;
    let last = begin + FLOOD_ABOVE;
    // It is over once the fifth newest is ten minutes old and none came meanwhile.
    const overMs = () => raised[last - FLOOD_BELOW + 1]!.timeMs + TEN_MINUTES_MS;
    while (last + 1 < raised.length && raised[last + 1]!.timeMs < overMs()) last++;
    const { alarm, point } = first;
    floods.push({
      fromMs: first.timeMs,
      toMs: Math.min(toMs, overMs()),
      alarms: last - begin + 1,
      first: { alarm, point },
    });
    begin = last;
  }
  return floods;
}
