import { plainReductions, type Reductions } from './reductions.js';

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
export function waveformStatistics(
  samples: Float32Array,
  reductions: Reductions = plainReductions,
): WaveformStatistics {
  const n = samples.length;
  const sums = reductions.waveform(samples);
  const mean = n === 0 ? 0 : sums[0]! / n;
  const smallest = sums[1]!;
  const largest = sums[2]!;
  const sum2 = sums[3]!;
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
  const meanAbsolute = sums[6]! / n;
  const meanRoot = sums[7]! / n;
  const variance = sum2 / n;
  return {
    mean,
    rms,
    peak,
    peakToPeak: largest - smallest,
    crestFactor: peak / rms,
    kurtosis: sums[5]! / n / (variance * variance),
    skewness: sums[4]! / n / (variance * rms),
    shapeFactor: rms / meanAbsolute,
    impulseFactor: peak / meanAbsolute,
    clearanceFactor: peak / (meanRoot * meanRoot),
  };
}
