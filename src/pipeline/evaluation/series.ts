import { type ChannelKind, type ChartChannel, ControlChart } from '../../scoring/learning/control-chart.js';
import type { Detection } from './result.js';

/** Values in order of time, one row a time, one column a channel. */
export interface Series {
  readonly file: string;
  readonly channels: readonly ChartChannel[];
  readonly timesMs: readonly number[];
  /** NaN where a value is missing or bad. */
  readonly rows: readonly (readonly number[])[];
  readonly truths: readonly (boolean | undefined)[];
  /** Whether its end is the end of a life. */
  readonly endsInFailure: boolean;
}

export interface SeriesVerdict {
  /** Per row after the ones that were learned from. */
  readonly scores: readonly number[];
  readonly detections: readonly Detection[];
}

/** Level quantities are compared by ratio; energies are squares of them. */
export function channelKindOf(quantity: string): ChannelKind {
  if (/energy/i.test(quantity)) return 'power';
  return /^(acceleration|velocity|displacement|vibration|sound|microphone|noise)/i.test(quantity)
    ? 'amplitude'
    : 'value';
}

/**
 * Learns the first `fit` rows and judges the others as the gateway would have, one after the other, without a look ahead.
 * Anomalous rows at most `joinMs` apart are one detection.
 * @param learned rows to learn from in the place of the first ones
 */
export function judgeSeries(
  series: Series,
  fit: number,
  joinMs: number,
  learned: readonly (readonly number[])[] = series.rows.slice(0, fit),
): SeriesVerdict {
  const { channels, rows } = series;
  const chart = ControlChart.fit(
    channels,
    channels.map((_, j) => learned.map((row) => row[j]!)),
  );
  const scores: number[] = [];
  const detections: Open[] = [];
  rows.forEach((row, i) => {
    const { score, channel } = chart.step(row, i >= fit);
    if (i < fit) return;
    scores.push(score);
    if (score <= 1) return;
    const last = detections.at(-1);
    const near =
      last !== undefined && (i === last.to + 1 || series.timesMs[i]! - series.timesMs[last.to]! <= joinMs);
    if (near) {
      last.to = i;
      last.score = Math.max(last.score, score);
    } else detections.push({ from: i, to: i, score, channel: channel ?? '' });
  });
  return { scores, detections: detections.map((open) => detectionOf(series, open)) };
}

/** A detection by its rows. */
interface Open {
  readonly from: number;
  to: number;
  score: number;
  readonly channel: string;
}

function detectionOf(series: Series, { from, to, score, channel }: Open): Detection {
  const { file, timesMs, truths, endsInFailure } = series;
  const within = truths.slice(from, to + 1);
  const truth = within.every((known) => known === undefined) ? null : within.includes(true);
  const first = timesMs[0]!;
  const end = timesMs.at(-1)!;
  const fromMs = timesMs[from]!;
  return {
    file,
    channel,
    from: new Date(fromMs).toISOString(),
    to: new Date(timesMs[to]!).toISOString(),
    score,
    truth,
    delayS: truth === true ? (fromMs - timesMs[startOfTruth(truths, from)]!) / 1000 : null,
    leadS: endsInFailure ? (end - fromMs) / 1000 : null,
    lifeShare: endsInFailure ? (fromMs - first) / (end - first) : null,
  };
}

/** Where the labelled stretch began that the row lies in, or the next one begins. */
function startOfTruth(truths: readonly (boolean | undefined)[], row: number): number {
  if (truths[row] !== true) return truths.indexOf(true, row);
  let start = row;
  while (start > 0 && truths[start - 1] === true) start--;
  return start;
}
