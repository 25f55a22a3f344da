import { LEAST_VALUES } from '../../scoring/learning/control-chart.js';
import { RUNNING } from '../../scoring/states/state.js';
import type { RecordingSet, TableEntry } from '../../signals/recording-set.js';
import type { StateSpan, StateStory } from '../recorded-states.js';
import { type FitRule, rowsToFit } from './fit-rule.js';
import type { EvaluationPart, JudgedInState, Windows } from './result.js';
import { channelKindOf, judgeSeries, type LearnedRows, type Series } from './series.js';

/** A table, and what is asked of its operating states. */
export interface TableSeries {
  readonly series: Series;
  readonly story: StateStory;
}

/**
 * Reads a table whole; a bad reading is NaN.
 * @param tells whether the readings of a point may tell the state of a machine
 */
export async function readSeries(
  set: RecordingSet,
  entry: TableEntry,
  tells: (point: string) => boolean,
): Promise<TableSeries> {
  const spans: StateSpan[] = [];
  const telling = new Set(entry.points.map(({ point }) => point).filter(tells));
  const timesMs: number[] = [];
  const rows: number[][] = [];
  const truths: (boolean | undefined)[] = [];
  for await (const { timeMs, readings, anomalous, state } of set.readTable(entry)) {
    spans.push({
      ...{ point: readings[0]!.point, fromMs: timeMs, toMs: timeMs, named: state },
      ...(telling.size === 0 ? {} : { readings: readings.filter(({ point }) => telling.has(point)) }),
    });
    timesMs.push(timeMs);
    rows.push(readings.map(({ value, quality }) => (quality === 'good' ? value : Number.NaN)));
    truths.push(anomalous);
  }
  const series: Series = {
    file: entry.file,
    channels: entry.points.map(({ point, quantity }) => ({
      name: point,
      kind: channelKindOf(quantity ?? point.split('.').at(-1) ?? point),
    })),
    timesMs,
    rows,
    truths,
    endsInFailure: false,
  };
  return { series, story: { spans, isDated: entry.time !== undefined } };
}

/** The first spans of a story. */
export const beginningOf = (story: StateStory, rows: number): StateStory => ({
  ...story,
  spans: story.spans.slice(0, rows),
});

/** @param learned rows of the tables of the split `train`, where that is what is learned from */
export function evaluateTable(
  series: Series,
  rule: FitRule,
  joinMs: number,
  learned?: LearnedRows,
): EvaluationPart {
  const { file, truths, states } = series;
  const fit = learned === undefined ? rowsToFit(rule, series.timesMs, truths) : 0;
  const rows = learned?.rows.length ?? fit;
  const label = truths.includes(true) ? 'anomalous' : truths.includes(false) ? 'normal' : null;
  const base = { file, point: null, label, threshold: 1, diagnosis: null };
  if (rows < LEAST_VALUES || fit >= truths.length) {
    const remark = `${rows} of ${truths.length} rows to learn from: at least ${LEAST_VALUES} are needed, and some to judge`;
    return { judged: [], detections: [], perRecording: [{ ...base, score: null, anomalous: null, remark }] };
  }
  const verdict = judgeSeries(series, fit, joinMs, learned);
  const { scores, detections } = verdict;
  const judged: JudgedInState[] = [];
  scores.forEach((score, i) => {
    const truth = truths[fit + i];
    const state = states?.[fit + i]?.name ?? (states === undefined ? undefined : RUNNING.name);
    if (truth === undefined) return;
    judged.push({ score, anomalous: score > 1, truth, state, unjudged: !verdict.judged[i] });
  });
  const score = scores.reduce((most, value) => Math.max(most, value), 0);
  const isJudged = verdict.judged.includes(true);
  return {
    judged,
    detections,
    learned: verdict.learned,
    perRecording: [
      isJudged
        ? { ...base, score, anomalous: score > 1 }
        : { ...base, score: null, anomalous: null, remark: unjudgedText(verdict.learned) },
    ],
    windows: windowsOf(series, fit, detections),
  };
}

/** Labelled stretches after the rows that were learned from, and how many of them a detection touches. */
function windowsOf(
  { truths, timesMs }: Series,
  fit: number,
  detections: EvaluationPart['detections'],
): Windows {
  let total = 0;
  let detected = 0;
  for (let from = truths.indexOf(true, fit); from >= 0; ) {
    let to = from;
    while (to + 1 < truths.length && truths[to + 1] === true) to++;
    const startMs = timesMs[from]!;
    const endMs = timesMs[to]!;
    total++;
    if (detections.some((found) => Date.parse(found.from) <= endMs && Date.parse(found.to) >= startMs))
      detected++;
    from = truths.indexOf(true, to + 1);
  }
  return { total, detected, falseDetections: detections.filter(({ truth }) => truth === false).length };
}

/** Why no row of a table was judged: its operating states. */
function unjudgedText(learned: ReadonlyMap<string, number>): string {
  if (learned.size === 0) return 'no row to learn from in a steady operating state';
  const known = [...learned].map(([state, rows]) => `${state} ${rows}`).join(', ');
  return `no row in a state that was learned (rows to learn from: ${known}; at least ${LEAST_VALUES} are needed)`;
}
