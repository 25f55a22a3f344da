import { type FftLibrary, fftLengthAtMost } from './fft.js';
import { PowerSpectrum } from './spectrum.js';

export interface OrderSpectrum {
  /** Distance of two bins, orders of the shaft. */
  readonly binOrder: number;
  /** Amplitude per bin (Hann), in the unit of the samples: a line's own where it stands on a bin. */
  readonly amplitude: Float64Array;
}

/** Amplitude spectrum over orders, of samples at equal angles. Undefined for fewer than 32 samples. */
export function orderSpectrum(
  library: FftLibrary,
  samples: Float32Array,
  samplesPerTurn: number,
): OrderSpectrum | undefined {
  const length = fftLengthAtMost(Math.min(samples.length, 262_144));
  if (length === undefined) return undefined;
  const spectrum = PowerSpectrum.create(library, length, samplesPerTurn, {});
  if (spectrum === undefined) return undefined;
  try {
    const power = spectrum.compute(samples.subarray(0, length));
    // Power is spread over the window's noise bandwidth of 1.5 bins.
    return { binOrder: spectrum.binHz, amplitude: Float64Array.from(power, (each) => Math.sqrt(3 * each)) };
  } finally {
    spectrum.close();
  }
}
