import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';
import { autocorrelationTime, momentsOf } from './moments.js';
import { studentQuantile } from './student-t.js';

/**
 * A multivariate EWMA chart that a gateway fits to the healthy beginning of a machine (Roberts 1959; ISO 7870-6).
 *
 * Readings of a process are not independent, and few of them were seen, so its limits come from what n values of such a
 * memory can tell: with an autocorrelation time t, the mean of w values lies from the mean of the n learned ones with the
 * standard deviation s·sqrt(t/w + t/n), and by Student's t with n/t - 1 degrees of freedom. A channel whose memory is
 * as long as what was seen of it (a tank that warms up) has no level of its own: it is compared with its recent past,
 * and only a move of several times all that it did while it was learned counts. No label and nothing after the healthy
 * beginning has a say in any of it.
 */
export interface ChartChannel {
  readonly name: string;
  /** What the values are: levels are compared by ratio, and a change below half a decibel is not worth an alarm. */
  readonly kind: ChannelKind;
}

/** `amplitude`: a level such as RMS. `power`: the square of one. `value`: anything else. */
export type ChannelKind = 'amplitude' | 'power' | 'value';

export interface ChartOptions {
  /** Chance of a value beyond the limits of a healthy channel, both sides together. */
  readonly falseAlarmProbability: number;
  /** Fewer independent values than this, and a channel drifts. */
  readonly minimumIndependent: number;
  /** Whether the base follows slow drift of healthy conditions. */
  readonly adapt: boolean;
}

export const CHART_OPTIONS: ChartOptions = {
  falseAlarmProbability: 2e-5,
  minimumIndependent: 12,
  adapt: true,
};

/**
 * Values of the averaging window at least, and in autocorrelation times. Single values of a process are noisy (19 give a
 * smoothing constant of 0.1); a level is an average over a block already.
 */
const LEAST_WINDOW = { amplitude: 9, power: 9, value: 19 } as const;
const WINDOW_TIMES = 5;
/** One wild value moves the average no further than so many standard deviations would, or than so many limits. */
const CLIP = 4;
const CLIP_LIMITS = 1.5;
/** The average goes no further out than so many limits, so that it is back soon after the machine is. */
const FARTHEST_AVERAGE = 2;
/** The base follows healthy drift this far from where it was learned, in standard deviations, and no further. */
const FARTHEST_DRIFT = 3;
/** A channel that drifts is out of control that many times the range it was learned in from its recent past. */
const DRIFT_RANGES = 3;
const LEAST_DEGREES = 4;
/** Half a decibel, as a natural logarithm of an amplitude, and of a power. */
const LEAST_CHANGE = { amplitude: Math.LN10 / 40, power: Math.LN10 / 20, value: 0 } as const;
/**
 * 8 dB, a factor of 2.5, over what is usual is a change of condition whatever the scatter was: the step by which level
 * criteria are customarily graded. A level that drifts too much to have limits of its own still has this one.
 */
const MOST_CHANGE = {
  amplitude: (8 / 20) * Math.LN10,
  power: (8 / 10) * Math.LN10,
  value: Number.POSITIVE_INFINITY,
} as const;
const SMALLEST = 1e-12;
/** What is told of a fault at most: a limit may be next to nothing (a value that never moved). */
const MOST_SCORE = 1e6;

const channelSchema = z.strictObject({
  name: z.string(),
  kind: z.enum(['amplitude', 'power', 'value']),
  log: z.boolean(),
  judged: z.boolean(),
  /** Without a level of its own: the base is its recent past. */
  drifts: z.boolean(),
  learned: z.number().int().positive(),
  mean: z.number(),
  deviation: z.number().nonnegative(),
  memory: z.number().min(0),
  /** Smoothing constant. */
  lambda: z.number().min(0).max(1),
  limit: z.number().positive(),
  /** Of clipped values: it decides. */
  average: z.number(),
  /** Of the values as they are: it tells how far out. */
  level: z.number(),
  base: z.number(),
});
const chartSchema = z.strictObject({
  format: z.literal('sm-edge-chart/2'),
  adapt: z.boolean(),
  channels: z.array(channelSchema).min(1).max(4096),
});

type ChannelState = z.infer<typeof channelSchema>;

/** JSON form of a chart, for the store. */
export type ChartState = z.infer<typeof chartSchema>;

export interface ChartVerdict {
  /** Largest deviation of a channel over its limit: above 1 is out of control. */
  readonly score: number;
  /** The channel that deviates most; undefined where none could be judged. */
  readonly channel: string | undefined;
  /** Deviation over limit by channel, with its sign, in the order of the channels; 0 for one that is not judged. */
  readonly deviations: Float64Array;
}

export class ControlChart {
  readonly #channels: ChannelState[];
  readonly #adapt: boolean;

  private constructor(channels: ChannelState[], adapt: boolean) {
    this.#channels = channels;
    this.#adapt = adapt;
  }

  /**
   * @param columns per channel the healthy values in order of time; NaN where one is missing
   * Throws `CHART_TOO_FEW` for fewer than 30 values of every channel.
   */
  static fit(
    channels: readonly ChartChannel[],
    columns: readonly ArrayLike<number>[],
    options: ChartOptions = CHART_OPTIONS,
  ): ControlChart {
    const values = channels.map((_, j) => finiteOf(columns[j]!));
    const states = channels.map((channel, j) => fitChannel(channel, values[j]!, options));
    if (!states.some((state) => state.learned >= LEAST_VALUES))
      throw new SmEdgeError('CHART_TOO_FEW', `no channel has ${LEAST_VALUES} values to learn from`, {
        hint: 'Let the machine run longer in good health, or give a larger share of the rows with --fit first:ROWS.',
      });
    if (!states.some(({ judged, drifts }) => judged && !drifts)) {
      // All have a long memory: the one with the shortest has limits of its own all the same.
      const shares = states.map(({ memory, learned }) => memory / learned);
      const best = shares.indexOf(Math.min(...shares));
      states[best] = fitChannel(channels[best]!, values[best]!, { ...options, minimumIndependent: 0 });
    }
    return new ControlChart(states, options.adapt);
  }

  /** Throws `CHART_STATE` where the document is no chart. */
  static fromJSON(document: unknown): ControlChart {
    const parsed = chartSchema.safeParse(document);
    if (!parsed.success)
      throw new SmEdgeError('CHART_STATE', `not a stored chart: ${parsed.error.issues[0]?.message}`, {
        hint: 'It is learned again from the next values.',
      });
    return new ControlChart(parsed.data.channels, parsed.data.adapt);
  }

  toJSON(): ChartState {
    return {
      format: 'sm-edge-chart/2',
      adapt: this.#adapt,
      channels: this.#channels.map((channel) => ({ ...channel })),
    };
  }

  /** Channels that have a say. */
  get judged(): string[] {
    return this.#channels.filter(({ judged }) => judged).map(({ name }) => name);
  }

  /** Of these the ones that are compared with their recent past, since they drifted while they were learned. */
  get drifting(): string[] {
    return this.#channels.filter(({ drifts }) => drifts).map(({ name }) => name);
  }

  /** The next values, one per channel; NaN for one that is missing. `learn` is false while still in the healthy beginning. */
  step(row: ArrayLike<number>, learn = true): ChartVerdict {
    const deviations = new Float64Array(this.#channels.length);
    let score = 0;
    let channel: string | undefined;
    for (const [j, state] of this.#channels.entries()) {
      const deviation = stepChannel(state, row[j]!, learn && this.#adapt);
      if (!state.judged) continue;
      deviations[j] = deviation;
      if (channel === undefined || Math.abs(deviation) > score) {
        score = Math.abs(deviation);
        channel = state.name;
      }
    }
    return { score, channel, deviations };
  }
}

/** Values below which a channel is not judged. */
export const LEAST_VALUES = 30;

function finiteOf(column: ArrayLike<number>): Float64Array {
  return Float64Array.from(Array.from(column).filter(Number.isFinite));
}

function fitChannel(channel: ChartChannel, values: Float64Array, options: ChartOptions): ChannelState {
  const { name, kind } = channel;
  const log = comparedByRatio(kind, values);
  const scaled = log ? values.map(Math.log) : values;
  const n = scaled.length;
  if (n < LEAST_VALUES)
    return {
      ...{ name, kind, log: false, judged: false, drifts: false, learned: Math.max(1, n) },
      ...{
        mean: 0,
        deviation: 0,
        memory: Math.max(1, n),
        lambda: 1,
        limit: 1,
        average: 0,
        level: 0,
        base: 0,
      },
    };
  const { mean, standardDeviation } = momentsOf(scaled);
  const deviation = standardDeviation + SMALLEST;
  const memory = autocorrelationTime(scaled);
  const own = {
    name,
    kind,
    log,
    judged: true,
    learned: n,
    mean,
    deviation,
    memory,
    average: mean,
    level: mean,
    base: mean,
  };
  const known = n / memory >= options.minimumIndependent;
  if (!known && !isLevel(log, kind))
    return {
      ...own,
      drifts: true,
      lambda: lambdaOf(LEAST_WINDOW[kind]),
      limit: DRIFT_RANGES * rangeOf(scaled) + SMALLEST,
    };
  const window = Math.min(Math.max(LEAST_WINDOW[kind], WINDOW_TIMES * memory), n / 2);
  const spread = deviation * Math.sqrt(memory * (1 / window + 1 / n));
  const degrees = Math.max(LEAST_DEGREES, n / memory - 1);
  const statistical = spread * studentQuantile(options.falseAlarmProbability / 2, degrees);
  const limit = log
    ? Math.min(known ? Math.max(statistical, LEAST_CHANGE[kind]) : MOST_CHANGE[kind], MOST_CHANGE[kind])
    : statistical;
  return { ...own, drifts: false, lambda: lambdaOf(window), limit };
}

/** Smoothing constant of an average over a window. */
const lambdaOf = (window: number): number => 2 / (window + 1);

/** Judged by ratio, with limits of its own however long its memory is. */
const isLevel = (log: boolean, kind: ChannelKind): boolean => log && kind !== 'value';

function rangeOf(values: Float64Array): number {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return most - least;
}

/** A level always where it is positive; another value where its logarithm is the more symmetric. */
function comparedByRatio(kind: ChannelKind, values: Float64Array): boolean {
  if (values.length === 0 || values.some((value) => value <= 0)) return false;
  if (kind !== 'value') return true;
  return Math.abs(momentsOf(values.map(Math.log)).skewness) < Math.abs(momentsOf(values).skewness);
}

/** Moves a channel on by one value; its deviation over its limit, with its sign. */
function stepChannel(state: ChannelState, value: number, learn: boolean): number {
  const { deviation, limit, lambda } = state;
  if (!Number.isFinite(value)) return scoreOf(state);
  const x = state.log ? Math.log(Math.max(value, SMALLEST)) : value;
  state.level += lambda * (x - state.level);
  const moved =
    state.average + lambda * clip(x - state.average, Math.max(CLIP * deviation, CLIP_LIMITS * limit));
  state.average = state.base + clip(moved - state.base, FARTHEST_AVERAGE * limit);
  const score = scoreOf(state);
  if (Math.abs(score) >= 1) return score;
  if (state.drifts) {
    state.base += clip(x - state.base, CLIP * deviation) / state.learned;
  } else if (learn) {
    // A fault that grows is out of control before the base, which follows by 1/n a value and so far only, has followed it.
    const followed = state.base + clip(x - state.base, deviation) / state.learned;
    state.base = state.mean + clip(followed - state.mean, FARTHEST_DRIFT * deviation);
  }
  return score;
}

/** Whether it is out of control tells the average; how far, the values as they are, where they are farther. */
function scoreOf({ average, level, base, limit }: ChannelState): number {
  const score = (average - base) / limit;
  if (Math.abs(score) <= 1) return score;
  return Math.sign(score) * Math.max(Math.abs(score), Math.min(MOST_SCORE, Math.abs(level - base) / limit));
}

const clip = (value: number, most: number): number => Math.max(-most, Math.min(most, value));
