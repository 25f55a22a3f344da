/** Mean, spread, skewness and memory of a series of values. */

export interface Moments {
  readonly mean: number;
  /** Of the population, not of a sample: divided by n. */
  readonly standardDeviation: number;
  readonly skewness: number;
}

export function momentsOf(values: ArrayLike<number>): Moments {
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]!;
  const mean = sum / n;
  let second = 0;
  let third = 0;
  for (let i = 0; i < n; i++) {
    const d = values[i]! - mean;
    second += d * d;
    third += d * d * d;
  }
  const variance = second / n;
  return {
    mean,
    standardDeviation: Math.sqrt(variance),
    skewness: variance > 0 ? third / n / variance ** 1.5 : 0,
  };
}

/** Where the autocorrelation counts as gone. */
const GONE = 0.1;

/**
 * Integrated autocorrelation time, in values: n values of the series tell as much about its mean as n / time
 * independent ones (Sokal 1997, "Monte Carlo methods in statistical mechanics", section 3). Summed up to the first lag
 * whose correlation is below 0.1, or to a third of the series: a drift that lasts as long as the series makes
 * it nearly as long as that. 1 for white noise.
 */
export function autocorrelationTime(values: ArrayLike<number>): number {
  const n = values.length;
  const { mean, standardDeviation } = momentsOf(values);
  const variance = standardDeviation ** 2;
  if (!(variance > 0)) return 1;
  let time = 1;
  for (let lag = 1; lag < n / 3; lag++) {
    let sum = 0;
    for (let i = lag; i < n; i++) sum += (values[i]! - mean) * (values[i - lag]! - mean);
    const correlation = sum / n / variance;
    if (correlation < GONE) break;
    time += 2 * correlation;
  }
  return time;
}
