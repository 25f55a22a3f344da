import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import { medianOf } from '../base/median.js';
import type { FeatureVector, Score } from './score.js';

/**
 * What is usual at one measuring point, learned there: a robust centre and scale per feature (or of one scalar
 * reading). It begins with median and MAD of the first values (Hampel), then follows slowly with clipped, exponentially
 * forgetting updates. Values that look anomalous are never learned, and after the first learning it goes only so far from
 * where it was then, so a fault is not taken for usual, however slowly it grows.
 */
export interface BaselineOptions {
  /** Values of a feature before it has a say. */
  readonly minimumCount: number;
  /** Values over which it forgets: a drift that is slow against this is followed. */
  readonly memory: number;
  /** Score from where on a vector is anomalous, and is not learned. */
  readonly threshold: number;
  /**
   * The first learning: what is usual is where it was in these values, and for at least this time (a day has its course).
   * Without times the values alone count.
   */
  readonly home: { readonly values: number; readonly ms: number };
  /** `log`: features that stay positive are compared by ratio. `linear`: as they are (temperatures). */
  readonly mode: 'log' | 'linear';
}

export const FEATURE_BASELINE: BaselineOptions = {
  minimumCount: 30,
  memory: 2000,
  threshold: 6,
  home: { values: 300, ms: 86_400_000 },
  mode: 'log',
};
export const READING_BASELINE: BaselineOptions = {
  minimumCount: 60,
  memory: 2000,
  threshold: 6,
  home: { values: 600, ms: 86_400_000 },
  mode: 'linear',
};

/** The score of a vector is the root mean square of its largest deviations: one feature must be odder by itself than three together. */
const TOP = 3;
/** A deviation is capped, so that one absurd feature cannot carry the mean by itself for ever. */
const CAP = 50;
const CLIP = 3;
/**
 * A fault that is only just seen scores now above the threshold and now below. Were the latter learned, the baseline
 * would creep after it: so nothing near the threshold is learned, and nothing for a while after an anomaly.
 */
const LEARN_BELOW = 0.75;
const PAUSE = 50;
/** Standard deviation of a Gaussian over its MAD, and over its mean absolute deviation. */
const MAD_TO_SIGMA = 1.4826;
const MEAN_ABS_TO_SIGMA = 1.2533;
/** Mean of min(|z|, 3) of a Gaussian over the mean of |z|: undoes the bias of clipping. */
const CLIP_CORRECTION = 1.001;
/** A scale is never below this share of the centre (0.03 in log mode is 3 %): quantised or constant values have none of their own. */
const LINEAR_FLOOR = 0.005;
const LOG_FLOOR = 0.03;
const ABSOLUTE_FLOOR = 1e-9;
const MAX_FEATURES = 512;
/**
 * After the first learning the centre goes at most so many standard deviations beyond where it was in it, and the scale
 * grows at most by this factor: drift of a healthy machine is followed (its season, a new sensor cable), a fault that
 * grows over weeks is not learned away. The same bound as that of the control chart.
 */
const FARTHEST = 3;
const WIDEST = 1.25;
/** 3 % of an amplitude, decibels. */
const DECIBEL_FLOOR = 0.26;
/**
 * Where the kurtogram looked, and the level in the band that it chose: on a healthy machine no band stands out, so
 * the choice, and the level with it, jumps. The fault lines of the envelope are ratios and stay.
 */
const CHOICES: ReadonlySet<string> = new Set(['spectralKurtosisBandHz', 'envelopeRms']);
/** Levels: logarithms already. Above 0 dB for a while does not mean that they are ratios. */
const DECIBELS = /^(mel\.|levelDb)/;
/** Can have either sign, whatever the first values were. */
const SIGNED = /^(skewness|mfcc\.|spectralKurtosisMax)/;

const homeState = z.strictObject({
  /** Least and largest centre of the first learning, and the scale at its end. */
  low: z.number(),
  high: z.number(),
  scale: z.number().nonnegative(),
  open: z.boolean(),
});

const featureState = z.strictObject({
  log: z.boolean(),
  count: z.number().int().nonnegative(),
  center: z.number(),
  scale: z.number().nonnegative(),
  /** The first values, until there are enough. */
  first: z.array(z.number()).max(1000),
  /** Missing in what was stored before there was a bound: it begins then. */
  home: homeState.optional(),
});

const stateSchema = z.strictObject({
  format: z.literal('sm-edge-baseline/1'),
  /** Vectors that are still not learned, after an anomaly. */
  pause: z.number().int().min(0).max(PAUSE),
  /** Time of the first value, milliseconds since the Unix epoch. */
  begunMs: z.number().optional(),
  features: z.record(z.string(), featureState),
});

type FeatureState = z.infer<typeof featureState>;

/** JSON form of a baseline, for the store. */
export type BaselineState = z.infer<typeof stateSchema>;

/** Deviation of one feature from what is usual, in robust standard deviations; above 0 is more than usual. */
export interface Deviation {
  readonly feature: string;
  readonly value: number;
  /** What is usual. */
  readonly expected: number;
  readonly z: number;
}

export class Baseline {
  readonly options: BaselineOptions;
  readonly #features: Map<string, FeatureState>;
  #pause: number;
  #begunMs: number | undefined;

  constructor(options: BaselineOptions = FEATURE_BASELINE, state?: BaselineState) {
    this.options = options;
    this.#pause = state?.pause ?? 0;
    this.#begunMs = state?.begunMs;
    this.#features = new Map(Object.entries(state?.features ?? {}).map(([name, of]) => [name, { ...of }]));
  }

  /** Throws `BASELINE_STATE` where the document is no baseline. */
  static fromJSON(document: unknown, options: BaselineOptions = FEATURE_BASELINE): Baseline {
    const parsed = stateSchema.safeParse(document);
    if (!parsed.success)
      throw new SmEdgeError('BASELINE_STATE', `not a stored baseline: ${parsed.error.issues[0]?.message}`, {
        hint: 'It is learned again from the next values.',
      });
    return new Baseline(options, parsed.data);
  }

  toJSON(): BaselineState {
    return {
      format: 'sm-edge-baseline/1',
      pause: this.#pause,
      ...(this.#begunMs === undefined ? {} : { begunMs: this.#begunMs }),
      features: Object.fromEntries(this.#features),
    };
  }

  /** Values learned of the feature that has the fewest: it speaks once this reaches `minimumCount`. */
  get count(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { count } of this.#features.values()) least = Math.min(least, count);
    return Number.isFinite(least) ? least : 0;
  }

  /** Deviations of the features that have a say, largest first. */
  deviations(vector: FeatureVector): Deviation[] {
    const deviations: Deviation[] = [];
    for (const [feature, value] of Object.entries(vector)) {
      const of = this.#features.get(feature);
      if (of === undefined || !this.#speaks(of) || !Number.isFinite(value) || CHOICES.has(feature)) continue;
      const expected = of.log ? Math.exp(of.center) : of.center;
      deviations.push({ feature, value, expected, z: deviation(of, value, floorOf(feature)) });
    }
    return deviations.sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
  }

  /** The score of a vector, without learning it; undefined while too little was learned. */
  score(vector: FeatureVector): Score | undefined {
    const largest = this.deviations(vector).slice(0, TOP);
    if (largest.length === 0) return undefined;
    const squares = largest.reduce((sum, { z }) => sum + Math.min(Math.abs(z), CAP) ** 2, 0);
    const score = Math.sqrt(squares / largest.length);
    const { threshold } = this.options;
    return { model: 'baseline', version: '1', score, threshold, anomalous: score > threshold };
  }

  /**
   * Scores a vector and then learns from it, unless it is anomalous or near to it, or something was so shortly before.
   * @param timeMs of the vector, milliseconds since the Unix epoch
   */
  update(vector: FeatureVector, timeMs?: number): Score | undefined {
    this.#begunMs ??= timeMs;
    const score = this.score(vector);
    if (score?.anomalous === true) this.#pause = PAUSE;
    else if (this.#pause > 0) this.#pause--;
    else if (score === undefined || score.score <= LEARN_BELOW * score.threshold) this.#learn(vector, timeMs);
    return score;
  }

  #speaks = (of: FeatureState): boolean => of.first.length === 0 && of.count > 0;

  #learn(vector: FeatureVector, timeMs: number | undefined): void {
    const { home, memory } = this.options;
    const isLongEnough = timeMs === undefined || timeMs - (this.#begunMs ?? timeMs) >= home.ms;
    for (const [feature, value] of Object.entries(vector)) {
      if (!Number.isFinite(value) || CHOICES.has(feature)) continue;
      let of = this.#features.get(feature);
      if (of === undefined) {
        if (this.#features.size >= MAX_FEATURES) continue;
        of = { log: false, count: 0, center: 0, scale: 0, first: [] };
        this.#features.set(feature, of);
      }
      if (this.#speaks(of)) {
        follow(of, value, memory, floorOf(feature));
        stayNear(of, floorOf(feature), home.values, isLongEnough);
      } else begin(of, value, { ...this.options, ...(isRatio(feature) ? {} : { mode: 'linear' }) });
    }
  }
}

const isRatio = (feature: string): boolean => !DECIBELS.test(feature) && !SIGNED.test(feature);

/** What a scale is at least, beside its share of the centre. */
const floorOf = (feature: string): number => (DECIBELS.test(feature) ? DECIBEL_FLOOR : ABSOLUTE_FLOOR);

function begin(of: FeatureState, value: number, { minimumCount, mode }: BaselineOptions): void {
  of.first.push(value);
  of.count++;
  if (of.count < minimumCount) return;
  of.log = mode === 'log' && of.first.every((x) => x > 0);
  const values = of.log ? of.first.map(Math.log) : of.first;
  of.center = medianOf(values);
  of.scale = MAD_TO_SIGMA * medianOf(values.map((x) => Math.abs(x - of.center)));
  of.first = [];
}

function follow(of: FeatureState, value: number, memory: number, floor: number): void {
  if (of.log && value <= 0) return;
  of.count++;
  const rate = 1 / Math.min(of.count, memory);
  const reach = CLIP * effectiveScale(of, floor);
  const off = Math.max(-reach, Math.min(reach, (of.log ? Math.log(value) : value) - of.center));
  of.center += rate * off;
  of.scale += rate * (MEAN_ABS_TO_SIGMA * CLIP_CORRECTION * Math.abs(off) - of.scale);
}

/** Widens the home while the first learning goes on; afterwards holds the feature to it. */
function stayNear(of: FeatureState, floor: number, values: number, isLongEnough: boolean): void {
  const { center, scale: now, count } = of;
  // The very first values say little of where it is at home.
  if (of.home === undefined || (of.home.open && 3 * count < values))
    of.home = { low: center, high: center, scale: now, open: true };
  const { home } = of;
  if (home.open) {
    home.low = Math.min(home.low, center);
    home.high = Math.max(home.high, center);
    home.scale = now;
    home.open = !(isLongEnough && count >= values);
    return;
  }
  const scale = Math.max(home.scale, leastScale(of, floor));
  const reach = FARTHEST * scale;
  of.center = Math.max(home.low - reach, Math.min(home.high + reach, of.center));
  of.scale = Math.min(of.scale, WIDEST * scale);
}

function deviation(of: FeatureState, value: number, floor: number): number {
  // A feature that was always positive and is not any more: as far off as it gets.
  if (of.log && value <= 0) return -CAP;
  return ((of.log ? Math.log(value) : value) - of.center) / effectiveScale(of, floor);
}

const leastScale = (of: FeatureState, floor: number): number =>
  of.log ? LOG_FLOOR : Math.max(LINEAR_FLOOR * Math.abs(of.center), floor);

function effectiveScale(of: FeatureState, floor: number): number {
  // Few values may by chance lie close together: a scale learned from n of them is uncertain by about 1/sqrt(n).
  return Math.max(of.scale, leastScale(of, floor)) * (1 + 2 / Math.sqrt(of.count));
}

/** Name of the only feature of a scalar reading's baseline. */
export const READING_FEATURE = 'value';
