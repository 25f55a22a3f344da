import type { AlarmEngine, AlarmTransition } from '../alarms/engine.js';
import { type Diagnosis, diagnose } from '../diagnosis/diagnose.js';
import { createExtractor } from '../features/extractor.js';
import type { AnalysisSpec, BearingGeometry, Extractor, FeatureVector } from '../features/spec.js';
import type { Score } from '../scoring/score.js';
import type { RecordedBearing, Recording, RecordingSet, TableRow } from '../signals/recording-set.js';
import type { Assessor } from './assessor.js';
import { analysisSpecOf, type MachineRegistry, type PointContext } from './machines.js';

/** One line of `replay`'s output; each names the recording that it comes from. */
export type ReplayLine =
  | { kind: 'features'; recording: string; time: string; point: string; features: FeatureVector }
  | ({ kind: 'score'; recording: string; time: string; point: string } & ScoreFields)
  | ({ kind: 'diagnosis'; recording: string; time: string; point: string } & Diagnosis)
  | {
      kind: 'alarm';
      recording: string;
      time: string;
      point: string;
      alarm: string;
      from: string;
      to: string;
      severity: string;
      message: string;
    }
  | {
      kind: 'summary';
      set: string;
      recordings: number;
      tables: number;
      windows: number;
      readings: number;
      anomalous: number;
      alarms: number;
      diagnoses: Readonly<Record<string, number>>;
    };

interface ScoreFields {
  model: string;
  version: string;
  score: number;
  threshold: number;
  anomalous: boolean;
}

export interface ReplayDeps {
  readonly set: RecordingSet;
  readonly machines: MachineRegistry;
  readonly assessor: Assessor;
  readonly alarms: AlarmEngine;
  /** Whether the user's config names the machines: their nameplates then win over the manifest. */
  readonly configured: boolean;
  readonly onProgress?: (done: number, total: number, file: string) => void;
}

/**
 * A recording set through the whole pipeline, as fast as it goes. The same set gives the same lines: time is the
 * recording's own, nothing is random, and what was learned of a point is carried on only where `startedAt` says that
 * the recordings are one story.
 */
export async function* replay(deps: ReplayDeps): AsyncGenerator<ReplayLine> {
  const { set, onProgress } = deps;
  const { recordings, tables } = set.manifest;
  const total = recordings.length + tables.length;
  const run = new Run(deps);
  let done = 0;
  try {
    for (const entry of inOrderOfTime(recordings)) {
      onProgress?.(done++, total, entry.file);
      yield* run.recording(await set.readRecording(entry));
    }
    for (const entry of tables) {
      onProgress?.(done++, total, entry.file);
      yield* run.table(entry.file, set.readTable(entry));
    }
    yield run.summary();
  } finally {
    run.close();
  }
}

/** Dated recordings in order of their start; the others stay where the manifest has them, before the dated ones. */
function inOrderOfTime<E extends { readonly startedAt?: string | undefined }>(entries: readonly E[]): E[] {
  const dated = entries.filter((entry) => entry.startedAt !== undefined);
  const undated = entries.filter((entry) => entry.startedAt === undefined);
  return [...undated, ...dated.sort((a, b) => Date.parse(a.startedAt!) - Date.parse(b.startedAt!))];
}

const MOST_EXTRACTORS = 4;

class Run {
  readonly #deps: ReplayDeps;
  readonly #extractors = new Map<string, Extractor>();
  readonly #counts = { recordings: 0, tables: 0, windows: 0, readings: 0, anomalous: 0, alarms: 0 };
  readonly #diagnoses: Record<string, number> = {};

  constructor(deps: ReplayDeps) {
    this.#deps = deps;
  }

  async *recording(recording: Recording): AsyncGenerator<ReplayLine> {
    const { assessor, alarms } = this.#deps;
    const { file, point, sampleRateHz, unit, quantity } = recording;
    this.#counts.recordings++;
    if (recording.entry.startedAt === undefined) {
      assessor.forget(point);
      alarms.forget(point);
    }
    const context = this.#contextOf(recording);
    const spec: AnalysisSpec = {
      ...analysisSpecOf(context, sampleRateHz, unit),
      quantity,
    };
    for (const block of recording.blocks) {
      const windows = cut(block.samples, spec.blockLength);
      const blockSpec = { ...spec, blockLength: windows[0]?.length ?? 0 };
      if (blockSpec.blockLength === 0) continue;
      const extractor = await this.#extractorFor(blockSpec);
      for (const [index, samples] of windows.entries()) {
        const timeMs = block.startTimeMs + (index * blockSpec.blockLength * 1000) / sampleRateHz;
        const features = extractor.extract(samples);
        this.#counts.windows++;
        const time = isoTime(timeMs);
        yield { kind: 'features', recording: file, time, point, features };
        const { scores, worst } = await assessor.window(context, blockSpec, features);
        yield* this.#scoreLines(file, time, point, scores);
        if (worst !== undefined) {
          const transitions = alarms.evaluateScore({ ...worst, point, timeMs });
          yield* this.#alarmLines(file, transitions);
        }
      }
      // A snapshot is a look of its own at the machine; a whole recording is one.
      // It takes the samples in one piece: the more turns of the shaft, the finer the verdict.
      yield await this.#diagnosisLine(recording, block.startTimeMs, [block.samples], blockSpec);
    }
  }

  async *table(file: string, rows: AsyncIterable<TableRow>): AsyncGenerator<ReplayLine> {
    const { assessor, alarms } = this.#deps;
    this.#counts.tables++;
    const seen = new Set<string>();
    for await (const row of rows) {
      for (const reading of row.readings) {
        const { point, timeMs, value, quality } = reading;
        if (!seen.has(point)) {
          // Tables are stories of their own: the same pump may stand in many files.
          seen.add(point);
          assessor.forget(point);
          alarms.forget(point);
        }
        this.#counts.readings++;
        const transitions = [...alarms.evaluateReading(reading)];
        if (quality === 'good') {
          const { scores, worst } = assessor.reading(point, value);
          yield* this.#scoreLines(file, isoTime(timeMs), point, scores);
          if (worst !== undefined) transitions.push(...alarms.evaluateScore({ ...worst, point, timeMs }));
        }
        yield* this.#alarmLines(file, transitions);
      }
    }
  }

  close(): void {
    for (const extractor of this.#extractors.values()) extractor.close();
    this.#extractors.clear();
  }

  summary(): ReplayLine {
    return {
      kind: 'summary',
      set: this.#deps.set.manifest.name ?? '',
      ...this.#counts,
      diagnoses: this.#diagnoses,
    };
  }

  #contextOf({ point, quantity, speedRpm, bearing }: Recording): PointContext {
    const known = this.#deps.machines.contextOf(point);
    if (this.#deps.configured && (known.speedRpm !== undefined || known.bearing !== undefined)) return known;
    const { speedRpm: _speed, bearing: _bearing, ...rest } = known;
    return {
      ...rest,
      quantity,
      ...(speedRpm === undefined ? {} : { speedRpm }),
      ...(bearing === undefined ? {} : { bearing: geometryOf(bearing) }),
    };
  }

  async #extractorFor(spec: AnalysisSpec): Promise<Extractor> {
    const key = JSON.stringify(spec);
    let extractor = this.#extractors.get(key);
    if (extractor === undefined) {
      extractor = await createExtractor(spec);
      // Few are enough: sets are grouped by rig, and a plan holds tables of the size of a block.
      if (this.#extractors.size >= MOST_EXTRACTORS) this.close();
      this.#extractors.set(key, extractor);
    }
    return extractor;
  }

  async #diagnosisLine(
    recording: Recording,
    timeMs: number,
    windows: readonly Float32Array[],
    spec: AnalysisSpec,
  ): Promise<ReplayLine> {
    const { fault, confidence, evidence, sentence } = await diagnose(windows, spec);
    this.#diagnoses[fault] = (this.#diagnoses[fault] ?? 0) + 1;
    const { file, point } = recording;
    return {
      kind: 'diagnosis',
      recording: file,
      time: isoTime(timeMs),
      point,
      fault,
      confidence,
      evidence,
      sentence,
    };
  }

  *#scoreLines(
    recording: string,
    time: string,
    point: string,
    scores: readonly Score[],
  ): Generator<ReplayLine> {
    for (const { model, version, score, threshold, anomalous } of scores) {
      if (anomalous) this.#counts.anomalous++;
      yield { kind: 'score', recording, time, point, model, version, score, threshold, anomalous };
    }
  }

  *#alarmLines(recording: string, transitions: readonly AlarmTransition[]): Generator<ReplayLine> {
    for (const { timeMs, point, alarm, from, to, severity, message } of transitions) {
      this.#counts.alarms++;
      yield { kind: 'alarm', recording, time: isoTime(timeMs), point, alarm, from, to, severity, message };
    }
  }
}

function geometryOf({ multipliers, ...geometry }: RecordedBearing): BearingGeometry {
  const { balls, ballDiameterMm, pitchDiameterMm, contactAngleDeg } = geometry;
  return {
    balls,
    ballDiameterMm,
    pitchDiameterMm,
    contactAngleDeg,
    ...(multipliers === undefined ? {} : { multipliers }),
  };
}

const isoTime = (timeMs: number): string => new Date(timeMs).toISOString();

/** Consecutive windows of `length`; a signal that is shorter is one window; what is left over at the end is not used. */
function cut(samples: Float32Array, length: number): Float32Array[] {
  if (samples.length <= length) return samples.length === 0 ? [] : [samples];
  const windows: Float32Array[] = [];
  for (let from = 0; from + length <= samples.length; from += length)
    windows.push(samples.subarray(from, from + length));
  return windows;
}
