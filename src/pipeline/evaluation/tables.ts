import { LEAST_VALUES } from '../../scoring/learning/control-chart.js';
import type { Judged } from '../../scoring/learning/ranking.js';
import type { RecordingSet, TableEntry } from '../../signals/recording-set.js';
import { type FitRule, rowsToFit } from './fit-rule.js';
import type { EvaluationPart, Windows } from './result.js';
import { channelKindOf, judgeSeries, type Series } from './series.js';

/** Reads a table whole; a bad reading is NaN. */
export async function readSeries(set: RecordingSet, entry: TableEntry): Promise<Series> {
  const timesMs: number[] = [];
  const rows: number[][] = [];
  const truths: (boolean | undefined)[] = [];
  for await (const { timeMs, readings, anomalous } of set.readTable(entry)) {
    timesMs.push(timeMs);
    rows.push(readings.map(({ value, quality }) => (quality === 'good' ? value : Number.NaN)));
    truths.push(anomalous);
  }
  return {
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
}

/** @param learned rows of the tables of the split `train`, where that is what is learned from */
export function evaluateTable(
  series: Series,
  rule: FitRule,
  joinMs: number,
  learned?: readonly (readonly number[])[],
): EvaluationPart {
  const { file, truths } = series;
  const fit = learned === undefined ? rowsToFit(rule, series.timesMs, truths) : 0;
  const label = truths.includes(true) ? 'anomalous' : truths.includes(false) ? 'normal' : null;
  const base = { file, point: null, label, threshold: 1, diagnosis: null };
  if ((learned?.length ?? fit) < LEAST_VALUES || fit >= truths.length) {
    const remark = `${learned?.length ?? fit} of ${truths.length} rows to learn from: at least ${LEAST_VALUES} are needed, and some to judge`;
    return { judged: [], detections: [], perRecording: [{ ...base, score: null, anomalous: null, remark }] };
  }
  const { scores, detections } = judgeSeries(series, fit, joinMs, learned);
  const judged: Judged[] = [];
  scores.forEach((score, i) => {
    const truth = truths[fit + i];
    if (truth !== undefined) judged.push({ score, anomalous: score > 1, truth });
  });
  const score = Math.max(0, ...scores);
  return {
    judged,
    detections,
    perRecording: [{ ...base, score, anomalous: score > 1 }],
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
