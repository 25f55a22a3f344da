/** Features of the waveform itself, accumulated in float64. Formulas: docs/features.md. */

export interface WaveformStatistics {
  readonly mean: number;
  /** Root mean square without the mean, as a vibration sensor cannot measure a constant acceleration. */
  readonly rms: number;
  /** Largest distance from the mean. */
  readonly peak: number;
  readonly peakToPeak: number;
  readonly crestFactor: number;
  /** Fourth standardised moment: 3 for Gaussian noise, 1.5 for a sine. */
  readonly kurtosis: number;
  readonly skewness: number;
  readonly shapeFactor: number;
  readonly impulseFactor: number;
  readonly clearanceFactor: number;
}

/**
 * Statistics of `samples`. A constant block has no shape: its ratios are those of nothing (0), never NaN.
 * Crest, shape, impulse and clearance factor: ISO 13373-2 and MathWorks' signal features.
 */
export function waveformStatistics(samples: Float32Array): WaveformStatistics {
  const n = samples.length;
  let sum = 0;
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < n; i++) {
    const x = samples[i]!;
    sum += x;
    if (x < smallest) smallest = x;
    if (x > largest) largest = x;
  }
  const mean = n === 0 ? 0 : sum / n;
  let sum2 = 0;
  let sum3 = 0;
  let sum4 = 0;
  let sumAbsolute = 0;
  let sumRoot = 0;
  for (let i = 0; i < n; i++) {
    const d = samples[i]! - mean;
    const d2 = d * d;
    const absolute = Math.abs(d);
    sum2 += d2;
    sum3 += d2 * d;
    sum4 += d2 * d2;
    sumAbsolute += absolute;
    sumRoot += Math.sqrt(absolute);
  }
  const rms = Math.sqrt(sum2 / n);
  const peak = Math.max(largest - mean, mean - smallest);
  // Below the rounding of float32 there is no waveform left to describe.
  if (n === 0 || !(rms > Math.abs(mean) * 1e-7)) {
    return {
      mean,
      rms: 0,
      peak: 0,
      peakToPeak: 0,
      crestFactor: 0,
      kurtosis: 0,
      skewness: 0,
      shapeFactor: 0,
      impulseFactor: 0,
      clearanceFactor: 0,
    };
  }
  const meanAbsolute = sumAbsolute / n;
  const meanRoot = sumRoot / n;
  const variance = sum2 / n;
  return {
    mean,
    rms,
    peak,
    peakToPeak: largest - smallest,
    crestFactor: peak / rms,
    kurtosis: sum4 / n / (variance * variance),
    skewness: sum3 / n / (variance * rms),
    shapeFactor: rms / meanAbsolute,
    impulseFactor: peak / meanAbsolute,
    clearanceFactor: peak / (meanRoot * meanRoot),
  };
}
