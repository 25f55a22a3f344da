import type { Diagnosis } from '../diagnosis/diagnose.js';
import type { FeatureVector } from '../features/spec.js';
import type { Score } from '../scoring/score.js';
import { pointParts } from '../signals/point.js';
import type { Reading } from '../signals/reading.js';
import { healthIndex } from './health-index.js';
import type { MachineView, PointView } from './snapshot.js';

interface Entry {
  unit: string;
  value: number | undefined;
  timeMs: number;
  score: number | undefined;
  threshold: number | undefined;
  diagnosis: string | undefined;
}

/** Points shown at most: a wildcard subscription must not fill the memory with names. */
const MAX_POINTS = 10_000;

/** A reading that is older than the one shown by more than this is shown, milliseconds. */
const SET_BACK_MS = 10 * 60_000;

/** The newest value, score and verdict of each point: what is shown live. */
export class PointBoard {
  readonly #entries = new Map<string, Entry>();

  reading({ point, timeMs, value, unit, quality }: Reading): void {
    const entry = this.#entry(point);
    if (entry === undefined) return;
    // Late by so much it is no latecomer but the clock that was set back.
    if (timeMs < entry.timeMs && timeMs > entry.timeMs - SET_BACK_MS) return;
    entry.timeMs = timeMs;
    entry.unit = unit;
    entry.value = quality === 'bad' ? undefined : value;
  }

  features(point: string, timeMs: number, features: FeatureVector, unit: string): void {
    const entry = this.#entry(point);
    if (entry === undefined) return;
    entry.timeMs = timeMs;
    entry.unit = `${unit} rms`;
    entry.value = features.rms;
  }

  score(point: string, timeMs: number, { score, threshold }: Score): void {
    const entry = this.#entry(point);
    if (entry === undefined) return;
    entry.timeMs = Math.max(entry.timeMs, timeMs);
    entry.score = score;
    entry.threshold = threshold;
  }

  diagnosis(point: string, diagnosis: Diagnosis | undefined): void {
    const entry = this.#entry(point);
    if (entry !== undefined) entry.diagnosis = diagnosis?.fault;
  }

  /** The points by machine; a machine is as healthy as its worst point. */
  machines(classOf: (machine: string) => string): MachineView[] {
    const machines = new Map<string, PointView[]>();
    for (const [point, entry] of [...this.#entries].sort(([a], [b]) => a.localeCompare(b))) {
      const { machine } = pointParts(point);
      const points = machines.get(machine) ?? [];
      points.push({ point, ...entry });
      machines.set(machine, points);
    }
    return [...machines].map(([id, points]) => ({
      id,
      class: classOf(id),
      health: worstHealth(points),
      points,
    }));
  }

  #entry(point: string): Entry | undefined {
    let entry = this.#entries.get(point);
    if (entry === undefined) {
      if (this.#entries.size >= MAX_POINTS) return undefined;
      entry = {
        unit: '',
        value: undefined,
        timeMs: Number.NEGATIVE_INFINITY,
        score: undefined,
        threshold: undefined,
        diagnosis: undefined,
      };
      this.#entries.set(point, entry);
    }
    return entry;
  }
}

function worstHealth(points: readonly PointView[]): number | undefined {
  const healths = points.flatMap(({ score, threshold }) =>
    score === undefined || threshold === undefined ? [] : [healthIndex({ score, threshold })],
  );
  return healths.length === 0 ? undefined : Math.min(...healths);
}
