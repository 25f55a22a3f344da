import type { AlarmEngine, AlarmTransition } from '../../alarms/engine.js';
import { AnomalyValidator } from '../../alarms/validator.js';
import { type Diagnosis, diagnose } from '../../diagnosis/diagnose.js';
import type { AnalysisSpec, FeatureVector } from '../../features/spec.js';
import { besideScore, type Score } from '../../scoring/score.js';
import { stateNamed } from '../../scoring/states/state.js';
import type { Recording, RecordingSet, TableRow } from '../../signals/recording-set.js';
import { signalFault } from '../../signals/signal-fault.js';
import { judgeAssessment } from '../assessment/anomalies.js';
import type { Assessment, Assessor } from '../assessment/assessor.js';
import type { MachineRegistry } from '../machines/machines.js';
import { OperatingStates, type StateChange } from '../machines/operating-states.js';
import { RecordingAnalysis } from './recording-windows.js';

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
      /** Windows without a signal: a flat line, or samples that are no numbers. */
      leftOut: number;
      readings: number;
      /** Readings that are no numbers. */
      badReadings: number;
      /** Rows of tables that are earlier than the row before: they were taken as they came. */
      earlierRows: number;
      anomalous: number;
      confirmed: number;
      heldBack: number;
      alarms: number;
      diagnoses: Readonly<Record<string, number>>;
      /** What is odd about the recordings. */
      doubts: readonly string[];
    };

interface ScoreFields extends ReturnType<typeof besideScore> {
  model: string;
  version: string;
  score: number;
  threshold: number;
  anomalous: boolean;
  /** Operating state of the machine, where it has more than one. */
  state?: string;
  /** Of an anomalous score: whether the validation believes the anomaly by then. */
  believed?: boolean;
}

export interface ReplayDeps {
  readonly set: RecordingSet;
  readonly machines: MachineRegistry;
  readonly assessor: Assessor;
  readonly alarms: AlarmEngine;
  readonly states?: OperatingStates;
  /** False: every anomaly counts at once. */
  readonly validation?: boolean;
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

class Run {
  readonly #deps: ReplayDeps;
  readonly #analysis: RecordingAnalysis;
  readonly #counts = {
    recordings: 0,
    tables: 0,
    windows: 0,
    leftOut: 0,
    readings: 0,
    badReadings: 0,
    earlierRows: 0,
    anomalous: 0,
    confirmed: 0,
    heldBack: 0,
    alarms: 0,
  };
  readonly #diagnoses: Record<string, number> = {};
  readonly #doubts: string[] = [];
  readonly #validator: AnomalyValidator | undefined;
  readonly #states: OperatingStates;

  constructor(deps: ReplayDeps) {
    this.#deps = deps;
    this.#states = deps.states ?? new OperatingStates(deps.machines);
    this.#analysis = new RecordingAnalysis(deps.machines, deps.configured);
    if (deps.validation !== false)
      this.#validator = new AnomalyValidator({ onHeldBack: () => this.#counts.heldBack++ });
  }

  async *recording(recording: Recording): AsyncGenerator<ReplayLine> {
    const { assessor, alarms } = this.#deps;
    const { file, point } = recording;
    this.#counts.recordings++;
    this.#doubts.push(...recording.doubts);
    if (recording.entry.startedAt === undefined) this.#forget(point);
    const context = this.#analysis.contextOf(recording);
    for (const block of recording.blocks) {
      const spec = this.#analysis.specOf(recording, context, block);
      if (spec.blockLength === 0) {
        this.#counts.leftOut++;
        continue;
      }
      for await (const { timeMs, features, samples } of this.#analysis.windows(
        block,
        spec,
        () => this.#counts.leftOut++,
      )) {
        this.#counts.windows++;
        const time = isoTime(timeMs);
        yield { kind: 'features', recording: file, time, point, features };
        yield* this.#alarmLines(file, alarms.evaluateFeatures({ point, timeMs, features }));
        const endMs = timeMs + (spec.blockLength * 1000) / spec.sampleRateHz;
        yield* this.#stateLines(file, this.#states.features(point, spec.unit, features, endMs));
        const named = recording.entry.state;
        const at = named === undefined ? this.#states.over(point, timeMs, endMs) : stateNamed(named);
        const seen = { timeMs, features, samples: () => samples };
        const assessment = await assessor.window(context, spec, seen, at);
        yield* this.#judged(file, point, timeMs, assessment);
      }
      // A snapshot is a look of its own at the machine; a whole recording is one.
      // It takes the samples in one piece: the more turns of the shaft, the finer the verdict.
      if (signalFault(block.samples) === undefined)
        yield await this.#diagnosisLine(recording, block.startTimeMs, [block.samples], spec);
    }
  }

  async *table(file: string, rows: AsyncIterable<TableRow>): AsyncGenerator<ReplayLine> {
    const { assessor, alarms } = this.#deps;
    this.#counts.tables++;
    const seen = new Set<string>();
    let previousMs = Number.NEGATIVE_INFINITY;
    for await (const row of rows) {
      if (row.timeMs < previousMs) this.#counts.earlierRows++;
      previousMs = row.timeMs;
      // Tables are stories of their own: the same pump may stand in many files.
      for (const { point } of row.readings) {
        if (seen.has(point)) continue;
        seen.add(point);
        this.#forget(point);
      }
      // What tells the state of the machine, before what is judged by it.
      for (const reading of row.readings) yield* this.#stateLines(file, this.#states.reading(reading));
      for (const reading of row.readings) {
        const { point, timeMs, value, quality } = reading;
        this.#counts.readings++;
        this.#validator?.quality(point, quality);
        yield* this.#alarmLines(file, alarms.evaluateReading(reading));
        if (quality === 'bad') this.#counts.badReadings++;
        if (quality !== 'good') continue;
        const at = row.state === undefined ? this.#states.over(point, timeMs, timeMs) : stateNamed(row.state);
        const assessment = assessor.reading(point, value, {
          timeMs,
          at,
          tells: this.#states.isTeller(point),
        });
        yield* this.#judged(file, point, timeMs, assessment);
      }
    }
  }

  close(): void {
    this.#analysis.close();
  }

  summary(): ReplayLine {
    return {
      kind: 'summary',
      set: this.#deps.set.manifest.name ?? '',
      ...this.#counts,
      diagnoses: this.#diagnoses,
      doubts: this.#doubts,
    };
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

  #forget(point: string): void {
    this.#deps.assessor.forget(point);
    this.#states.forget(point);
    this.#deps.alarms.forget(point);
    this.#validator?.forget(point);
  }

  *#stateLines(recording: string, changes: readonly StateChange[]): Generator<ReplayLine> {
    for (const { machine, state, timeMs } of changes)
      yield* this.#alarmLines(recording, this.#deps.alarms.evaluateState(machine, state.name, timeMs));
  }

  /** Scores, what the validation says of them, and the alarms on them. */
  *#judged(recording: string, point: string, timeMs: number, assessment: Assessment): Generator<ReplayLine> {
    const { scores, worst } = assessment;
    const verdict = this.#validator && judgeAssessment(this.#validator, point, timeMs, assessment);
    if (verdict?.first) this.#counts.confirmed++;
    const believed = verdict?.confirmed;
    yield* this.#scoreLines(recording, isoTime(timeMs), point, scores, believed);
    if (worst === undefined) return;
    const scored = { ...worst, point, timeMs, heldBack: believed === false };
    yield* this.#alarmLines(recording, this.#deps.alarms.evaluateScore(scored));
  }

  *#scoreLines(
    recording: string,
    time: string,
    point: string,
    scores: readonly Score[],
    believed: boolean | undefined,
  ): Generator<ReplayLine> {
    for (const scored of scores) {
      const { model, version, score, threshold, anomalous, state } = scored;
      if (anomalous) this.#counts.anomalous++;
      const verdict = anomalous && believed !== undefined ? { believed } : {};
      yield {
        kind: 'score',
        recording,
        time,
        point,
        model,
        version,
        score,
        threshold,
        anomalous,
        ...(state === undefined ? {} : { state }),
        ...besideScore(scored),
        ...verdict,
      };
    }
  }

  *#alarmLines(recording: string, transitions: readonly AlarmTransition[]): Generator<ReplayLine> {
    for (const { timeMs, point, alarm, from, to, severity, message } of transitions) {
      this.#counts.alarms++;
      yield { kind: 'alarm', recording, time: isoTime(timeMs), point, alarm, from, to, severity, message };
    }
  }
}

const isoTime = (timeMs: number): string => new Date(timeMs).toISOString();
