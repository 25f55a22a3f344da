import { type Diagnosis, diagnose } from '../../diagnosis/diagnose.js';
import type { FeatureVector } from '../../features/spec.js';
import type { Recording } from '../../signals/recording-set.js';
import {
  type LeftOutSignals,
  leftOutText,
  type SignalFault,
  signalFault,
} from '../../signals/signal-fault.js';
import type { StateSpan, StateStory } from '../recordings/recorded-states.js';
import type { RecordingAnalysis } from '../recordings/recording-windows.js';

/** The windows of a recording: its samples are let go. */
export interface WindowsOfRecording {
  readonly windows: readonly FeatureVector[];
  /** Each window, as it is asked for its operating state. */
  readonly story: StateStory;
  /** Windows left out since they hold no signal. */
  readonly leftOut: LeftOutSignals;
  /** What is odd about the recording. */
  readonly doubts: readonly string[];
}

/** What an evaluation keeps of a recording. */
export interface Sight extends WindowsOfRecording {
  readonly file: string;
  readonly point: string;
  readonly sampleRateHz: number;
  readonly unit: string;
  /** Recordings of one group are compared with each other. */
  readonly group: string;
  readonly label: string | undefined;
  readonly split: 'train' | 'test' | undefined;
  /** From another sample rate: learned from here, and judged there. */
  readonly borrowed?: boolean;
  readonly diagnosis: Pick<Diagnosis, 'fault' | 'confidence'>;
}

export async function windowsOf(
  recording: Recording,
  analysis: RecordingAnalysis,
): Promise<WindowsOfRecording> {
  const { point, sampleRateHz, entry, doubts } = recording;
  const context = analysis.contextOf(recording);
  const windows: FeatureVector[] = [];
  const spans: StateSpan[] = [];
  const leftOut: Record<string, number> = {};
  const onFault = (fault: SignalFault) => {
    leftOut[fault] = (leftOut[fault] ?? 0) + 1;
  };
  for (const block of recording.blocks) {
    const spec = analysis.specOf(recording, context, block);
    for await (const { features, timeMs } of analysis.windows(block, spec, onFault)) {
      windows.push(features);
      const toMs = timeMs + (spec.blockLength * 1000) / sampleRateHz;
      spans.push({ point, fromMs: timeMs, toMs, named: entry.state, unit: spec.unit, features });
    }
  }
  const isDated = entry.startedAt !== undefined;
  return { windows, leftOut, doubts, story: { spans, isDated, speedRpm: entry.speedRpm } };
}

export async function sightOf(recording: Recording, analysis: RecordingAnalysis): Promise<Sight> {
  const { file, point, sampleRateHz, unit, label, entry } = recording;
  const context = analysis.contextOf(recording);
  let diagnosis: Sight['diagnosis'] = { fault: 'unknown', confidence: 0 };
  for (const block of recording.blocks) {
    if (signalFault(block.samples) !== undefined) continue;
    const spec = analysis.specOf(recording, context, block);
    const { fault, confidence } = await diagnose([block.samples], spec);
    if (confidence > diagnosis.confidence) diagnosis = { fault, confidence };
  }
  return {
    ...{ file, point, sampleRateHz, unit, label, split: entry.split, diagnosis },
    group: `${point} at ${sampleRateHz} Hz in ${unit}`,
    ...(await windowsOf(recording, analysis)),
  };
}

/** Why a recording has no window. */
export const withoutWindows = ({ leftOut }: WindowsOfRecording): string =>
  Object.keys(leftOut).length === 0 ? 'shorter than one window' : `no signal: ${leftOutText(leftOut)}`;
