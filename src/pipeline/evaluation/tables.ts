import { LEAST_VALUES } from '../../scoring/learning/control-chart.js';
import { RUNNING } from '../../scoring/states/state.js';
import type { RecordingSet, TableEntry } from '../../signals/recording-set.js';
import type { StateSpan, StateStory } from '../recordings/recorded-states.js';
import { type FitRule, rowsToFit } from './fit-rule.js';
import type { EvaluationPart, JudgedInState, Windows } from './result.js';
import { channelKindOf, judgeSeries, type LearnedRows, type Series, type SeriesVerdict } from './series.js';

/** A table, and what is asked of its operating states. */
export interface TableSeries {
  readonly series: Series;
  readonly story: StateStory;
  /** What is odd about its rows. */
  readonly notes: readonly string[];
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
  const read: Row[] = [];
  for await (const { timeMs, readings, anomalous, state } of set.readTable(entry)) {
    spans.push({
      ...{ point: readings[0]!.point, fromMs: timeMs, toMs: timeMs, named: state },
      ...(telling.size === 0 ? {} : { readings: readings.filter(({ point }) => telling.has(point)) }),
    });
    const values = readings.map(({ value, quality }) => (quality === 'good' ? value : Number.NaN));
    read.push({ timeMs, values, anomalous, span: spans.at(-1)! });
  }
  const { rows: sorted, notes } = inOrder(entry, read);
  const timesMs = sorted.map(({ timeMs }) => timeMs);
  const rows = sorted.map(({ values }) => values);
  const truths = sorted.map(({ anomalous }) => anomalous);
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
  return {
    series,
    notes,
    story: { spans: sorted.map(({ span }) => span), isDated: entry.time !== undefined },
  };
}

interface Row {
  readonly timeMs: number;
  readonly values: readonly number[];
  readonly anomalous: boolean | undefined;
  readonly span: StateSpan;
}

/** Rows in order of time, and what a person should know of them. */
function inOrder({ file, points, label }: TableEntry, read: readonly Row[]) {
  const notes: string[] = [];
  const back = read.findIndex(({ timeMs }, i) => i > 0 && timeMs < read[i - 1]!.timeMs);
  const rows = back < 0 ? read : [...read].sort((a, b) => a.timeMs - b.timeMs);
  if (back >= 0)
    notes.push(
      `${file}: its rows are not in order of time (line ${back + 2} is earlier than the one before): they were sorted`,
    );
  const same = rows.filter(({ timeMs }, i) => i > 0 && timeMs === rows[i - 1]!.timeMs).length;
  if (same > 0) notes.push(`${file}: ${same} of ${rows.length} rows have the time of the row before`);
  points.forEach(({ column, point }, j) => {
    if (rows.length === 0 || rows.some(({ values }) => Number.isFinite(values[j]))) return;
    notes.push(
      `${file}: the column ${column} (${point}) holds no number; decimal commas? Then "decimal": ","`,
    );
  });
  if (label !== undefined && !rows.some(({ anomalous }) => anomalous))
    notes.push(
      'column' in label
        ? `${file}: no row is labelled anomalous: the column ${label.column} is never ${label.anomalous}`
        : `${file}: no row lies in one of its labelled windows`,
    );
  return { rows, notes };
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
    notes: notesOf(file, verdict),
    perRecording: [
      isJudged
        ? { ...base, score, anomalous: score > 1 }
        : {
            ...base,
            score: null,
            anomalous: null,
            remark: unjudgedText(verdict.learned, states !== undefined),
          },
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

/** Why no row of a table was judged. */
function unjudgedText(learned: ReadonlyMap<string, number>, hasStates: boolean): string {
  if (!hasStates) return `no column has ${LEAST_VALUES} numbers in what is learned`;
  if (learned.size === 0) return 'no row to learn from in a steady operating state';
  const known = [...learned].map(([state, rows]) => `${state} ${rows}`).join(', ');
  return `no row in a state that was learned (rows to learn from: ${known}; at least ${LEAST_VALUES} are needed)`;
}

function notesOf(file: string, { silent, drifting }: SeriesVerdict): string[] {
  return [
    ...(silent.length === 0 ? [] : [`${file}: no say had ${silent.join(', ')} (too few values)`]),
    ...(drifting.length === 0
      ? []
      : [
          `${file}: only gross changes of ${drifting.join(', ')} count, which still drifted in what was learned`,
        ]),
  ];
}
