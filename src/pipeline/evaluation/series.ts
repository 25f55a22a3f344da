import {
  type ChannelKind,
  type ChartChannel,
  ControlChart,
  LEAST_VALUES,
} from '../../scoring/learning/control-chart.js';
import { type OperatingState, RUNNING } from '../../scoring/states/state.js';
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
  /** Operating state of each row; missing where the machine has but one. */
  readonly states?: readonly (OperatingState | undefined)[] | undefined;
}

/** Healthy rows, and the state of each where the machine has several. */
export type LearnedRows = Pick<Series, 'rows' | 'states'>;

export interface SeriesVerdict {
  /** Per row after the ones that were learned from; 0 for one that is not judged. */
  readonly scores: readonly number[];
  /** Whether each of these was judged: not while it stood still, ran up, or did what nothing was learned of. */
  readonly judged: readonly boolean[];
  /** By state how many rows were learned; empty where the machine has but one state. */
  readonly learned: ReadonlyMap<string, number>;
  /** Channels that have a say in no state. */
  readonly silent: readonly string[];
  /** Channels that are judged by gross changes only, in some state. */
  readonly drifting: readonly string[];
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
 * Learns the first `fit` rows and judges the others as the gateway would have, one after the other, without a look ahead:
 * each row by a chart of its operating state. Anomalous rows at most `joinMs` apart are one detection.
 * @param learned rows to learn from in the place of the first ones
 */
export function judgeSeries(
  series: Series,
  fit: number,
  joinMs: number,
  learned: LearnedRows = firstRows(series, fit),
): SeriesVerdict {
  const { rows } = series;
  const { charts, counts } = chartsOf(series, learned);
  const scores: number[] = [];
  const judged: boolean[] = [];
  const detections: Open[] = [];
  rows.forEach((row, i) => {
    const chart = charts.get(chartName(series.states?.[i]));
    const { score, channel } = chart?.step(row, i >= fit) ?? NOT_JUDGED;
    if (i < fit) return;
    scores.push(score);
    judged.push(chart !== undefined);
    if (score <= 1) return;
    const last = detections.at(-1);
    const near =
      last !== undefined && (i === last.to + 1 || series.timesMs[i]! - series.timesMs[last.to]! <= joinMs);
    if (near) {
      last.to = i;
      last.score = Math.max(last.score, score);
    } else detections.push({ from: i, to: i, score, channel: channel ?? '' });
  });
  return {
    scores,
    judged,
    learned: series.states === undefined ? new Map() : counts,
    silent: series.channels.flatMap(({ name }) =>
      [...charts.values()].some((chart) => chart.judged.includes(name)) ? [] : [name],
    ),
    drifting: series.channels.flatMap(({ name }) =>
      [...charts.values()].some((chart) => chart.drifting.includes(name)) ? [name] : [],
    ),
    detections: detections.map((open) => detectionOf(series, open)),
  };
}

const NOT_JUDGED = { score: 0, channel: undefined } as const;

const firstRows = ({ rows, states }: Series, fit: number): LearnedRows => ({
  rows: rows.slice(0, fit),
  states: states?.slice(0, fit),
});

/** A chart for each steady state of which there is enough to learn from; the only state has one in any case. */
function chartsOf({ channels }: Series, { rows, states }: LearnedRows) {
  const byState = new Map<string, (readonly number[])[]>();
  rows.forEach((row, i) => {
    const name = chartName(states?.[i]);
    if (name === undefined) return;
    const own = byState.get(name);
    if (own === undefined) byState.set(name, [row]);
    else own.push(row);
  });
  const charts = new Map<string | undefined, ControlChart>();
  for (const [name, own] of byState) {
    const columns = channels.map((_, j) => own.map((row) => row[j]!));
    if (!columns.some(hasEnough)) continue;
    charts.set(name, ControlChart.fit(channels, columns));
  }
  return { charts, counts: new Map([...byState].map(([name, own]) => [name, own.length])) };
}

const hasEnough = (column: readonly number[]): boolean =>
  column.filter(Number.isFinite).length >= LEAST_VALUES;

/** The state whose chart judges a row; undefined where none does. */
function chartName(state: OperatingState | undefined): string | undefined {
  if (state === undefined) return RUNNING.name;
  return state.kind === 'steady' ? state.name : undefined;
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
