import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { FeatureVector } from '../../features/spec.js';
import type { Score } from '../../scoring/score.js';
import { pointParts } from '../../signals/point.js';
import type { Quality, QualityReason } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { Assessment } from '../assessment/assessor.js';
import type { Channel } from '../live/channel.js';
import { healthIndex } from './health-index.js';
import type { MachineView, PointView, WaveformView } from './snapshot.js';

interface Entry {
  unit: string;
  value: number | undefined;
  timeMs: number;
  score: number | undefined;
  /** What a classification or a forecast says besides its score. */
  said: Pick<PointView, 'label' | 'probabilities' | 'expected' | 'lower' | 'upper' | 'saidBy'>;
  threshold: number | undefined;
  state: string | undefined;
  unjudged: string | undefined;
  diagnosis: string | undefined;
  quality: Quality;
  reason: QualityReason | undefined;
  sampleRateHz: number | undefined;
}

/** Points shown at most: a wildcard subscription must not fill the memory with names. */
const MAX_POINTS = 10_000;

/** A reading that is older than the one shown by more than this is shown, milliseconds. */
const SET_BACK_MS = 10 * 60_000;

/** The newest value, score and verdict of each point: what is shown live. */
export class PointBoard {
  readonly #entries = new Map<string, Entry>();
  /** Not held: a ring that its pipeline gave up is gone. */
  readonly #channels = new Map<string, WeakRef<Channel>>();
  readonly #listeners = new Set<(reading: Reading) => void>();

  /** Calls `listener` with each reading from now on; the function that is given back ends that. */
  onReading(listener: (reading: Reading) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reading(reading: Reading): void {
    const { point, timeMs, value, unit, quality, reason } = reading;
    for (const listener of this.#listeners) listener(reading);
    const entry = this.#entry(point);
    if (entry === undefined) return;
    // Late by so much it is no latecomer but the clock that was set back.
    if (timeMs < entry.timeMs && timeMs > entry.timeMs - SET_BACK_MS) return;
    entry.timeMs = timeMs;
    entry.unit = unit;
    entry.value = quality === 'bad' ? undefined : value;
    entry.quality = quality;
    entry.reason = reason;
  }

  /** A piece of a waveform: its value is that of the newest window, its quality that of the newest block. */
  block({ point, startTimeMs, unit, sampleRateHz, quality, reason }: SampleBlock, channel?: Channel): void {
    const entry = this.#entry(point);
    if (entry === undefined) return;
    if (channel !== undefined && this.#channels.get(point)?.deref() !== channel)
      this.#channels.set(point, new WeakRef(channel));
    if (entry.sampleRateHz === undefined) entry.unit = `${unit} rms`;
    if (entry.timeMs === Number.NEGATIVE_INFINITY) entry.timeMs = startTimeMs;
    entry.sampleRateHz = sampleRateHz;
    entry.quality = quality;
    entry.reason = reason;
  }

  /** The newest unbroken signal of a point, at most `durationMs` and half of its ring; undefined where there is none. */
  waveform(point: string, durationMs: number): WaveformView | undefined {
    const channel = this.#channels.get(point)?.deref();
    if (channel === undefined) return undefined;
    const { from, length, startTimeMs } = channel.newest(durationMs);
    const { sampleRateHz, unit } = channel.spec;
    const samples = length === 0 ? new Float32Array(0) : channel.ring.copy(from, length);
    return { point, startTimeMs, sampleRateHz, unit, samples };
  }

  /** All points, in the order of their names. */
  points(): PointView[] {
    return [...this.#entries]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([point, entry]) => viewOf(point, entry));
  }

  point(point: string): PointView | undefined {
    const entry = this.#entries.get(point);
    return entry === undefined ? undefined : viewOf(point, entry);
  }

  features(point: string, timeMs: number, features: FeatureVector, unit: string): void {
    const entry = this.#entry(point);
    if (entry === undefined) return;
    entry.timeMs = timeMs;
    entry.unit = `${unit} rms`;
    entry.value = features.rms;
  }

  /** What was said of a window or reading; where nothing was, the score before it does not count any more. */
  assessed(point: string, timeMs: number, { worst, state, unjudged }: Assessment): void {
    const entry = this.#entry(point);
    if (entry === undefined) return;
    entry.timeMs = Math.max(entry.timeMs, timeMs);
    entry.score = worst?.score;
    entry.said = worst === undefined ? {} : saidIn(worst);
    entry.threshold = worst?.threshold;
    entry.state = state?.name;
    entry.unjudged = unjudged;
  }

  diagnosis(point: string, diagnosis: Diagnosis | undefined): void {
    const entry = this.#entry(point);
    if (entry !== undefined) entry.diagnosis = diagnosis?.fault;
  }

  /** The points by machine; a machine is as healthy as its worst point. */
  machines(classOf: (machine: string) => string): MachineView[] {
    const machines = new Map<string, PointView[]>();
    for (const view of this.points()) {
      const { machine } = pointParts(view.point);
      const points = machines.get(machine) ?? [];
      points.push(view);
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
        said: {},
        threshold: undefined,
        state: undefined,
        unjudged: undefined,
        diagnosis: undefined,
        quality: 'good',
        reason: undefined,
        sampleRateHz: undefined,
      };
      this.#entries.set(point, entry);
    }
    return entry;
  }
}

const viewOf = (point: string, { said, ...entry }: Entry): PointView => ({ point, ...entry, ...said });

const saidIn = ({ label, probabilities, expected, lower, upper, saidBy }: Score): Entry['said'] => ({
  label,
  probabilities,
  expected,
  lower,
  upper,
  saidBy,
});

function worstHealth(points: readonly PointView[]): number | undefined {
  const healths = points.flatMap(({ score, threshold }) =>
    score === undefined || threshold === undefined ? [] : [healthIndex({ score, threshold })],
  );
  return healths.length === 0 ? undefined : Math.min(...healths);
}
