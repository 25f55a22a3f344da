import { diagnose } from '../../diagnosis/diagnose.js';
import type { FeatureVector } from '../../features/spec.js';
import { LEAST_VALUES } from '../../scoring/learning/control-chart.js';
import type { Recording } from '../../signals/recording-set.js';
import { signalFault } from '../../signals/signal-fault.js';
import { knownOf, type RecordedStates, type StateStory } from '../recordings/recorded-states.js';
import type { RecordingAnalysis } from '../recordings/recording-windows.js';
import { type FitRule, rowsToFit } from './fit-rule.js';
import type { EvaluationPart } from './result.js';
import { judgeSeries, type Series } from './series.js';

/** Snapshots from where on a recording is a life, and not a handful of looks at a machine. */
export const LEAST_SNAPSHOTS = 50;

/** What a bearing's life is told by: the levels of the signal and of its bands, and how impulsive it is (ISO 13373-2). */
const LEVELS = /^(rms|band\..*\.rms)$/;
const SHAPES = /^(kurtosis|skewness|crestFactor|shapeFactor|impulseFactor|clearanceFactor)$/;

/** The first alarm of a life is the one that counts. */
const LATCHED = Number.POSITIVE_INFINITY;

/** Features of one snapshot: the mean of its windows. */
function meanOf(rows: readonly FeatureVector[]): FeatureVector {
  const names = Object.keys(rows[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, rows.reduce((sum, row) => sum + (row[name] ?? Number.NaN), 0) / rows.length]),
  );
}

/** A recording of many snapshots, from new to failure or to today: judged snapshot after snapshot. */
export async function evaluateLife(
  recording: Recording,
  analysis: RecordingAnalysis,
  recorded: RecordedStates,
  rule: FitRule,
): Promise<EvaluationPart> {
  const { file, point, label, entry } = recording;
  const context = analysis.contextOf(recording);
  const snapshots: FeatureVector[] = [];
  for (const block of recording.blocks) {
    const rows: FeatureVector[] = [];
    for await (const { features } of analysis.windows(block, analysis.specOf(recording, context, block)))
      rows.push(features);
    snapshots.push(meanOf(rows));
  }
  const story: StateStory = {
    spans: recording.blocks.map(({ startTimeMs, samples }, i) => ({
      ...{ point, unit: recording.unit, features: snapshots[i]!, named: entry.state },
      fromMs: startTimeMs,
      toMs: startTimeMs + (samples.length * 1000) / recording.sampleRateHz,
    })),
    isDated: entry.startedAt !== undefined,
    speedRpm: entry.speedRpm,
  };
  const whole = snapshots.find((of) => Object.keys(of).length > 0) ?? {};
  const names = Object.keys(whole).filter((name) => LEVELS.test(name) || SHAPES.test(name));
  const untold: Series = {
    file,
    channels: names.map((name) => ({
      name: `${point} ${name}`,
      kind: LEVELS.test(name) ? ('amplitude' as const) : ('value' as const),
    })),
    timesMs: recording.blocks.map(({ startTimeMs }) => startTimeMs),
    rows: snapshots.map((features) => names.map((name) => features[name] ?? Number.NaN)),
    truths: snapshots.map(() => undefined),
    endsInFailure: /fail/i.test(label ?? ''),
  };
  const fit = rowsToFit(rule, untold.timesMs, untold.truths);
  const known = recorded.find([{ ...story, spans: story.spans.slice(0, fit) }]);
  const series = { ...untold, states: knownOf(recorded.over(story, known)) };
  const { scores, judged, detections, learned } = judgeSeries(series, fit, LATCHED);
  if (!judged.includes(true)) return notJudged(recording, fit);
  const score = Math.max(0, ...scores);
  const anomalous = score > 1;
  const at = anomalous
    ? recording.blocks.length - scores.length + scores.findIndex((value) => value > 1)
    : -1;
  const stateAt = series.states?.at(at)?.name;
  const block = recording.blocks.at(at)!;
  const { fault, confidence } =
    signalFault(block.samples) === undefined
      ? await diagnose([block.samples], analysis.specOf(recording, context, block))
      : { fault: 'unknown' as const, confidence: 0 };
  return {
    judged: series.endsInFailure ? [{ score, anomalous, truth: true, state: stateAt }] : [],
    detections,
    learned,
    perRecording: [
      {
        file,
        point,
        label: entry.label ?? null,
        score,
        threshold: 1,
        anomalous,
        ...(stateAt === undefined ? {} : { state: stateAt }),
        diagnosis: { fault, confidence },
      },
    ],
  };
}

function notJudged({ file, point, label, blocks }: Recording, fit: number): EvaluationPart {
  const remark = `${fit} of ${blocks.length} snapshots to learn from: none was judged (at least ${LEAST_VALUES} with a signal, in a state that comes again, are needed)`;
  const result = { file, point, label: label ?? null, score: null, threshold: 1, anomalous: null };
  return { judged: [], detections: [], perRecording: [{ ...result, diagnosis: null, remark }] };
}
