import { medianOf } from '../../base/median.js';
import type { FeatureVector } from '../../features/spec.js';
import { isoZone, type MachineSize } from '../../features/zones.js';
import { pointParts } from '../../signals/point.js';
import type { StoredHistory } from '../../storage/history.js';
import type { FeatureRow, ScoreRow } from '../../storage/rows.js';
import { TROUBLE_EVENTS, type Trouble, type Troubles, troublesOf } from './troubles.js';

/** In which operating state a window was taken; undefined where it is not to be learned (stopped, run-up). */
export type StateOf = (row: Pick<FeatureRow, 'timeMs' | 'durationMs' | 'features'>) => string | undefined;

export interface HealthyTableOptions {
  readonly point: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  readonly stateOf: StateOf;
  /** Known where the nameplate tells power and mounting: vibration is then graded after ISO 20816-3. */
  readonly size?: MachineSize;
  /** A person says that the machine is healthy: alarms and anomalies that nobody labelled do not count. */
  readonly vouched?: boolean;
  readonly onRead?: (rows: number) => void;
}

/** Healthy windows of a point in order of time, and what was left out. */
export interface HealthyTable {
  /** At most 10,000, evenly chosen. */
  readonly rows: readonly FeatureVector[];
  /** In the order of the rows, milliseconds since the Unix epoch. */
  readonly timesMs: readonly number[];
  /** Operating state of each row. */
  readonly states: readonly string[];
  /** Healthy windows before any was left out for being too many. */
  readonly windows: number;
  /** Healthy time by operating state, milliseconds. */
  readonly healthyMs: Readonly<Record<string, number>>;
  /** Windows left out, by reason. */
  readonly leftOut: Readonly<Record<LeftOut, number>>;
  /** From the start of a window to that of the next, milliseconds. */
  readonly intervalMs: number;
  /** Share of the healthy windows in zone C or D, and in zone D. */
  readonly zones: { readonly cOrD: number; readonly d: number };
  readonly troubles: Troubles;
}

export type LeftOut = Trouble | 'state';

/** Rows to learn from: more teach a detector nothing, and take memory that a gateway does not have. */
export const MOST_ROWS = 10_000;
const INTERVALS = 1_000;
const ONE_SECOND_MS = 1_000;
/** Two anomalous windows further apart than this belong to two anomalies, milliseconds. */
const ANOMALY_PAUSE_MS = 60_000;

/** Reads the healthy hours of a point out of a store, page by page. */
export function healthyTable(history: StoredHistory, options: HealthyTableOptions): HealthyTable {
  const { point, fromMs, toMs, stateOf, size, vouched = false, onRead } = options;
  const troubles = troublesAt(history, pointParts(point).machine);
  const unhealthy = spansOf(history, options, troubles, vouched);
  const kept = new Thinned<{ timeMs: number; state: string; features: FeatureVector }>(MOST_ROWS);
  const healthyMs: Record<string, number> = {};
  const leftOut: Record<LeftOut, number> = {
    alarm: 0,
    'true-alarm': 0,
    reported: 0,
    anomaly: 0,
    maintenance: 0,
    state: 0,
  };
  let windows = 0;
  const intervals = new Thinned<number>(INTERVALS);
  let previousMs = Number.NEGATIVE_INFINITY;
  const inZone = { cOrD: 0, d: 0 };
  let read = 0;
  for (const page of history.features(point, fromMs, toMs)) {
    for (const row of page) {
      const { timeMs, durationMs, features } = row;
      // Windows may overlap, and hours may lie between two of them.
      const sinceMs = timeMs - previousMs;
      if (sinceMs > 0 && sinceMs <= durationMs * 2) intervals.add(sinceMs);
      previousMs = timeMs;
      const trouble = unhealthy(timeMs, timeMs + durationMs);
      const state = trouble === undefined ? stateOf(row) : undefined;
      if (state === undefined) {
        leftOut[trouble ?? 'state']++;
        continue;
      }
      windows++;
      healthyMs[state] = (healthyMs[state] ?? 0) + Math.min(durationMs, sinceMs);
      const zone = size === undefined ? 1 : zoneOf(features, size);
      if (zone >= 3) inZone.cOrD++;
      if (zone === 4) inZone.d++;
      kept.add({ timeMs, state, features });
    }
    read += page.length;
    onRead?.(read);
  }
  const rows = kept.items;
  return {
    rows: rows.map(({ features }) => features),
    timesMs: rows.map(({ timeMs }) => timeMs),
    states: rows.map(({ state }) => state),
    windows,
    healthyMs,
    leftOut,
    intervalMs: intervals.items.length === 0 ? ONE_SECOND_MS : medianOf(intervals.items),
    zones: { cOrD: inZone.cOrD / Math.max(1, windows), d: inZone.d / Math.max(1, windows) },
    troubles,
  };
}

/** What was wrong at a machine, as the journal of a store tells it. */
export const troublesAt = (history: StoredHistory, machine: string): Troubles =>
  troublesOf(history.events({ types: TROUBLE_EVENTS }), machine);

/** Velocity, where the features have it, against the zones of ISO 20816-3. */
export const zoneOf = (features: FeatureVector, size: MachineSize): 1 | 2 | 3 | 4 =>
  features.velocityRmsMmPerS === undefined ? 1 : isoZone(features.velocityRmsMmPerS, size);

/** Says of a window why it is not healthy. */
function spansOf(
  history: StoredHistory,
  { point, fromMs, toMs }: HealthyTableOptions,
  { spans, anomalies, forgiven, healthy }: Troubles,
  vouched: boolean,
): (fromMs: number, toMs: number) => Trouble | undefined {
  const hard = vouched ? spans.filter(({ trouble }) => trouble !== 'alarm') : spans;
  const own = anomalies.filter((anomaly) => anomaly.point === point);
  const runs =
    vouched || own.length === 0
      ? []
      : anomalousRuns(history.scores(point, fromMs, toMs)).filter(
          (run) =>
            own.some(
              ({ timeMs }) =>
                timeMs >= run.fromMs - ANOMALY_PAUSE_MS && timeMs <= run.toMs + ANOMALY_PAUSE_MS,
            ) && !forgiven.some((of) => of.fromMs <= run.toMs && of.toMs >= run.fromMs),
        );
  const said = healthy.filter((of) => of.point === point);
  return (from, to) => {
    const during = (of: { readonly fromMs: number; readonly toMs: number }) =>
      of.fromMs <= to && of.toMs >= from;
    // Of this very window a person said that it is healthy: only what is worse than an unlabelled alarm speaks against it.
    if (said.some((of) => of.fromMs <= from && to <= of.toMs))
      return hard.find((of) => of.trouble !== 'alarm' && during(of))?.trouble;
    return hard.find(during)?.trouble ?? (runs.some(during) ? 'anomaly' : undefined);
  };
}

/** Stretches in which a point scored anomalous without a longer pause. */
export function anomalousRuns(pages: Iterable<readonly ScoreRow[]>): { fromMs: number; toMs: number }[] {
  const runs: { fromMs: number; toMs: number }[] = [];
  for (const page of pages)
    for (const { timeMs, anomalous } of page) {
      if (!anomalous) continue;
      const last = runs.at(-1);
      if (last !== undefined && timeMs - last.toMs <= ANOMALY_PAUSE_MS) last.toMs = timeMs;
      else runs.push({ fromMs: timeMs, toMs: timeMs });
    }
  return runs;
}

/** Keeps every k-th item, k just so large that there are not too many; k grows as they come. */
class Thinned<T> {
  items: T[] = [];
  readonly #most: number;
  #step = 1;
  #seen = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(item: T): void {
    if (this.#seen++ % this.#step !== 0) return;
    if (this.items.length >= this.#most) {
      this.items = this.items.filter((_, i) => i % 2 === 0);
      this.#step *= 2;
      if ((this.#seen - 1) % this.#step !== 0) return;
    }
    this.items.push(item);
  }
}
