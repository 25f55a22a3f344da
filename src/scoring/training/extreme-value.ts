/** Share of the sample that counts as its tail. */
const TAIL = 0.05;

/**
 * The value that `probability` of a population exceeds, by peaks over threshold: a generalised Pareto distribution
 * fitted to the largest 5 % of the sample by probability-weighted moments (Hosking and Wallis 1987). A sample of a
 * thousand does not itself hold the quantile of one in a thousand with any certainty; its tail's shape does better.
 */
export function extremeQuantile(sample: readonly number[], probability: number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  const count = Math.max(10, Math.ceil(TAIL * sorted.length));
  if (sorted.length < 2 * count) throw new RangeError(`${sorted.length} values are too few for a tail`);
  const limit = sorted[sorted.length - count - 1]!;
  const excesses = sorted.slice(-count).map((value) => value - limit);
  const share = count / sorted.length;
  if (probability >= share) return sorted[Math.floor((1 - probability) * (sorted.length - 1))]!;

  let first = 0;
  let weighted = 0;
  excesses.forEach((excess, i) => {
    first += excess / count;
    weighted += (excess * (1 - (i + 0.65) / count)) / count;
  });
  if (!(first > 0)) return limit;
  const shape = Math.min(0.5, 2 - first / (first - 2 * weighted));
  const scale = (2 * first * weighted) / (first - 2 * weighted);
  const ratio = share / probability;
  return limit + (Math.abs(shape) < 1e-6 ? scale * Math.log(ratio) : (scale * (ratio ** shape - 1)) / shape);
}
