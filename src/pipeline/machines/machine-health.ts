import type { Metrics } from '../../base/metrics.js';
import { pointParts } from '../../signals/point.js';
import type { Reading } from '../../signals/reading.js';
import type { Assessment } from '../assessment/assessor.js';
import { exceedance } from './health-index.js';

/** One point as it counts for the health of its machine. */
export interface PointHealth {
  readonly point: string;
  /** Health index by its own scores, 0 to 1; 0.5 at its threshold. */
  readonly index: number;
  /** How far it is to be believed, 0 to 1. */
  readonly evidence: number;
}

export interface FusedHealth {
  /** Health index of the machine, 0 to 1. */
  readonly index: number;
  /** The points that pull it down, the strongest first, with what they count for. */
  readonly pulls: readonly { readonly point: string; readonly index: number }[];
}

/** At its threshold. */
const LIMIT = 0.5;
/** What each further bad point counts, relative to the one before it. */
const NEXT = 1 / 4;
/** Points below this are named. */
const NAMED_BELOW = 0.75;
const MOST_NAMED = 5;

/**
 * One index over all points of a machine (the health assessment of ISO 13374-2, clause 6.5: one grade from the states
 * of all descriptors). The worst point decides, so that one bad bearing is not averaged away by nine good ones; each
 * further point beyond its threshold pulls it down by a quarter as much as the one before. A point without evidence
 * counts as healthy. Never above the worst believed point; the same for any order; more healthy points change nothing.
 */
export function fuseHealth(points: readonly PointHealth[]): FusedHealth | undefined {
  if (points.length === 0) return undefined;
  const believed = points
    .map(({ point, index, evidence }) => ({ point, index: 1 - evidence * (1 - index) }))
    .sort((a, b) => a.index - b.index || a.point.localeCompare(b.point));
  const index = believed.reduce(
    (fused, { index: of }, k) => (k === 0 ? of : fused * Math.min(1, of / LIMIT) ** (NEXT ** k)),
    1,
  );
  return { index, pulls: believed.filter((of) => of.index < NAMED_BELOW).slice(0, MOST_NAMED) };
}

interface PointState {
  /** Exceedance of the newest scores, the newest weighing a fifth. */
  exceedance: number;
  scores: number;
  timeMs: number;
  intervalMs: number;
}

interface MachineState {
  readonly points: Map<string, PointState>;
  timeMs: number;
  storedMs: number;
  /** The last index where no point has been scored since the start. */
  restored: { readonly index: number; readonly timeMs: number } | undefined;
}

/** What is shown of the health of a machine. */
export interface HealthView extends FusedHealth {
  /** When it was last judged, milliseconds since the Unix epoch: a machine that stands still keeps its last index. */
  readonly timeMs: number;
}

const RATE = 0.2;
/** Beyond this one absurd score would take long to be forgotten. */
const MOST_EXCEEDANCE = 20;
/** Scores after which a point is half believed. */
const HALF_SCORES = 2;
/** A point that is missing for so many of its intervals, or for a minute, ages by half in each of these times. */
const MISSED_INTERVALS = 5;
const MISSED_LEAST_MS = 60_000;
const HALF_LIFE_MS = 600_000;
/** The index is stored this often, in the time of the data. */
const STORE_EVERY_MS = 60_000;
const SET_BACK_MS = 600_000;
const MAX_MACHINES = 1_000;
const MAX_POINTS = 256;

/** Name of the series in which the index of a machine is kept. */
export const healthPoint = (machine: string): string => `${machine}.health`;

/** The health of all machines as it goes with the scores of their points. */
export class MachineHealth {
  readonly #machines = new Map<string, MachineState>();
  readonly #gauge;

  constructor(metrics?: Metrics) {
    this.#gauge = metrics?.gauge(
      'sm_edge_machine_health',
      'Health index of each machine, 1 healthy, 0.5 at the threshold of its worst point.',
      ['machine'],
    );
  }

  /** Takes up the last stored indices, so that a machine that stands still has one after a restart. */
  restore(readings: readonly Reading[]): void {
    for (const { point, timeMs, value } of readings) {
      const state = this.#of(pointParts(point).machine);
      if (state !== undefined && Number.isFinite(value)) state.restored = { index: value, timeMs };
    }
  }

  /** Takes in what was said of a point. @returns the index of its machine where it is due to be stored */
  assessed(point: string, timeMs: number, { worst }: Assessment): Reading | undefined {
    if (worst === undefined) return undefined;
    const { machine } = pointParts(point);
    const state = this.#of(machine);
    if (state === undefined) return undefined;
    if (timeMs < state.timeMs - SET_BACK_MS) {
      state.points.clear();
      state.timeMs = timeMs;
      state.storedMs = timeMs;
    }
    if (state.points.size === 0) state.storedMs = timeMs;
    state.timeMs = Math.max(state.timeMs, timeMs);
    this.#scored(state, point, timeMs, Math.min(MOST_EXCEEDANCE, Math.max(0, exceedance(worst))));
    if (timeMs - state.storedMs < STORE_EVERY_MS) return undefined;
    state.storedMs = timeMs;
    const index = fuseHealth(pointsOf(state))!.index;
    this.#gauge?.set({ machine }, index);
    return { point: healthPoint(machine), timeMs, value: index, unit: '1', quality: 'good' };
  }

  view(machine: string): HealthView | undefined {
    const state = this.#machines.get(machine);
    if (state === undefined) return undefined;
    const fused = fuseHealth(pointsOf(state));
    if (fused !== undefined) return { ...fused, timeMs: state.timeMs };
    return state.restored && { ...state.restored, pulls: [] };
  }

  #scored(state: MachineState, point: string, timeMs: number, value: number): void {
    const known = state.points.get(point);
    if (known === undefined) {
      if (state.points.size < MAX_POINTS)
        state.points.set(point, { exceedance: value, scores: 1, timeMs, intervalMs: 0 });
      return;
    }
    const distanceMs = Math.max(0, timeMs - known.timeMs);
    known.intervalMs += (known.intervalMs === 0 ? 1 : RATE) * (distanceMs - known.intervalMs);
    known.exceedance += RATE * (value - known.exceedance);
    known.scores++;
    known.timeMs = Math.max(known.timeMs, timeMs);
  }

  #of(machine: string): MachineState | undefined {
    let state = this.#machines.get(machine);
    if (state === undefined && this.#machines.size < MAX_MACHINES) {
      const begin = Number.NEGATIVE_INFINITY;
      state = { points: new Map(), timeMs: begin, storedMs: begin, restored: undefined };
      this.#machines.set(machine, state);
    }
    return state;
  }
}

/** Age counts against the newest score of the machine: while it stands still nothing ages. */
function pointsOf({ points, timeMs: newestMs }: MachineState): PointHealth[] {
  return [...points].map(([point, { exceedance: ratio, scores, timeMs, intervalMs }]) => {
    const missedMs = newestMs - timeMs - Math.max(MISSED_LEAST_MS, MISSED_INTERVALS * intervalMs);
    const fresh = missedMs <= 0 ? 1 : 0.5 ** (missedMs / HALF_LIFE_MS);
    return { point, index: 1 / (1 + ratio * ratio), evidence: (fresh * scores) / (scores + HALF_SCORES) };
  });
}
