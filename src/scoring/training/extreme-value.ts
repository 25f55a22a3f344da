/** Share of the sample that counts as its tail. */
const TAIL = 0.05;

/** Values of a sample that are its tail at least. */
const LEAST_TAIL = 10;
/** The mean of a heavier tail is hardly known from any sample. */
const MOST_SHAPE = 0.5;

/**
 * The value that `probability` of a population exceeds, by peaks over threshold: a generalised Pareto distribution
 * fitted to the largest 5 % of the sample by probability-weighted moments (Hosking and Wallis 1987). A sample of a
 * thousand does not itself hold the quantile of one in a thousand with any certainty; its tail's shape does better.
 */
export function extremeQuantile(sample: readonly number[], probability: number): number {
  const tail = tailOf(sample);
  if (probability >= tail.share)
    return tail.sorted[Math.floor((1 - probability) * (tail.sorted.length - 1))]!;
  return quantileOf(tail, momentsOf(tail.excesses), probability);
}

/**
 * The same for several populations of one kind, such as the scores of a model in each operating state: each has a tail
 * of its own place and width, but all share its shape, fitted to the excesses of all divided by the mean of their own
 * (Hosking and Wallis, Regional Frequency Analysis, 1997). The shape is what a small sample tells least about.
 */
export function extremeQuantiles(
  samples: ReadonlyMap<string, readonly number[]>,
  probability: number,
): Map<string, number> {
  const tails = new Map([...samples].map(([name, sample]) => [name, tailOf(sample)]));
  const pooled = [...tails.values()].flatMap(({ excesses }) => {
    const { first } = momentsOf(excesses);
    return first > 0 ? excesses.map((excess) => excess / first) : [];
  });
  const common = momentsOf(pooled.sort((a, b) => a - b));
  return new Map(
    [...tails].map(([name, tail]) => {
      if (probability >= tail.share)
        return [name, tail.sorted[Math.floor((1 - probability) * (tail.sorted.length - 1))]!];
      const { first } = momentsOf(tail.excesses);
      return [name, quantileOf(tail, { first, weighted: common.weighted * first }, probability)];
    }),
  );
}

interface Tail {
  readonly sorted: readonly number[];
  readonly limit: number;
  /** Over the limit, ascending. */
  readonly excesses: readonly number[];
  readonly share: number;
}

/** Probability-weighted moments of ascending excesses. */
interface Moments {
  readonly first: number;
  readonly weighted: number;
}

function tailOf(sample: readonly number[]): Tail {
  const sorted = [...sample].sort((a, b) => a - b);
  const count = Math.max(LEAST_TAIL, Math.ceil(TAIL * sorted.length));
  if (sorted.length < 2 * count) throw new RangeError(`${sorted.length} values are too few for a tail`);
  const limit = sorted[sorted.length - count - 1]!;
  const excesses = sorted.slice(-count).map((value) => value - limit);
  return { sorted, limit, excesses, share: count / sorted.length };
}

function momentsOf(excesses: readonly number[]): Moments {
  const count = excesses.length;
  let first = 0;
  let weighted = 0;
  excesses.forEach((excess, i) => {
    first += excess / count;
    weighted += (excess * (1 - (i + 0.65) / count)) / count;
  });
  return { first, weighted };
}

function quantileOf({ limit, share }: Tail, { first, weighted }: Moments, probability: number): number {
  if (!(first > 0)) return limit;
  const shape = Math.min(MOST_SHAPE, 2 - first / (first - 2 * weighted));
  const ratio = share / probability;
  const scale = (2 * first * weighted) / (first - 2 * weighted);
  return limit + (Math.abs(shape) < 1e-6 ? scale * Math.log(ratio) : (scale * (ratio ** shape - 1)) / shape);
}
