import { type FftLibrary, fftLengthAtLeast, RealFft } from './fft.js';

/** Features of the waveform beyond the usual ones; they cost a sort and two transforms. */

export const PERCENTILES = [1, 5, 25, 50, 75, 95, 99] as const;

/** Percentiles with linear interpolation between ranks (numpy's default); `sorted` ascends. */
export function percentile(sorted: Float32Array, percent: number): number {
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const low = sorted[below] ?? 0;
  return low + ((sorted[below + 1] ?? low) - low) * (place - below);
}

/** Changes of sign around the mean per second. */
export function zeroCrossingRateHz(samples: Float32Array, mean: number, sampleRateHz: number): number {
  let crossings = 0;
  let positive = samples.length > 0 && samples[0]! >= mean;
  for (let i = 1; i < samples.length; i++) {
    const now = samples[i]! >= mean;
    if (now !== positive) crossings++;
    positive = now;
  }
  return samples.length < 2 ? 0 : (crossings * sampleRateHz) / (samples.length - 1);
}

export interface AutocorrelationPeak {
  /** Correlation at the peak over the power, -1 to 1: how well the signal repeats. */
  readonly value: number;
  /** Lag of the peak: the time after which it repeats, seconds. */
  readonly lagS: number;
}

/** Autocorrelation by transforms, zero-padded so that it does not wrap (Wiener and Khinchin), unbiased. */
export class Autocorrelation {
  readonly #fft: RealFft;
  readonly #length: number;
  readonly #sampleRateHz: number;

  constructor(library: FftLibrary, length: number, sampleRateHz: number) {
    this.#fft = new RealFft(library, fftLengthAtLeast(2 * length));
    this.#length = length;
    this.#sampleRateHz = sampleRateHz;
  }

  /** The highest peak after the first change of sign, up to half the block. */
  peak(samples: Float32Array, mean: number): AutocorrelationPeak {
    const length = this.#length;
    const { data } = this.#fft;
    for (let i = 0; i < length; i++) data[i] = samples[i]! - mean;
    data.fill(0, length);
    this.#fft.forward();
    data[0] = data[0]! * data[0]!;
    data[1] = data[1]! * data[1]!;
    for (let i = 2; i < data.length; i += 2) {
      data[i] = data[i]! * data[i]! + data[i + 1]! * data[i + 1]!;
      data[i + 1] = 0;
    }
    this.#fft.inverse();
    const power = data[0]! / length;
    const half = length >> 1;
    let lag = 1;
    while (lag < half && data[lag]! > 0) lag++;
    let best = 0;
    let bestLag = 0;
    for (; lag < half; lag++) {
      const value = data[lag]! / (length - lag) / power;
      if (value > best) {
        best = value;
        bestLag = lag;
      }
    }
    return { value: best, lagS: bestLag / this.#sampleRateHz };
  }

  close(): void {
    this.#fft.close();
  }
}
