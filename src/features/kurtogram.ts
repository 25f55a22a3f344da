import { type Band, EnvelopePlan, type EnvelopeStatistics } from './envelope.js';
import type { FftLibrary } from './fft.js';

/** Bands per level: halves and thirds, as in the fast kurtogram of Antoni (2007). */
const DIVISIONS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
/** An envelope of fewer samples has a kurtosis that is all chance. */
const MIN_ENVELOPE_SAMPLES = 256;

interface Level {
  readonly bands: readonly Band[];
  readonly plan: EnvelopePlan;
}

export interface KurtogramResult {
  /** Kurtosis of the complex envelope less 2, of the most impulsive band. */
  readonly kurtosis: number;
  readonly centreHz: number;
  readonly widthHz: number;
  /** RMS of the envelope in that band, in unit. */
  readonly envelopeRms: number;
  readonly band: Band;
}

/**
 * Finds the band of the spectrum whose envelope is the most impulsive. The filter bank is cut from the spectrum of
 * the whole block, so that one short inverse transform per band does band-pass, Hilbert and decimation.
 */
export class Kurtogram {
  readonly #levels: readonly Level[];
  readonly #binHz: number;

  /**
   * @param minWidthHz the narrowest band to try: it must hold several lines of the modulation that is looked for.
   * @param lowHz below it lie the shaft's own orders, which are no resonance.
   */
  constructor(
    library: FftLibrary,
    length: number,
    sampleRateHz: number,
    options: { minWidthHz: number; lowHz: number },
  ) {
    this.#binHz = sampleRateHz / length;
    const half = length / 2;
    const lowBin = Math.min(half - 1, Math.max(1, Math.ceil(options.lowHz / this.#binHz)));
    const levels: Level[] = [];
    for (const division of DIVISIONS) {
      const bins = Math.floor(half / division);
      const tooNarrow = bins * this.#binHz < options.minWidthHz || bins < MIN_ENVELOPE_SAMPLES;
      if (tooNarrow && levels.length > 0) break;
      const bands = Array.from({ length: division }, (_, index) => {
        const fromBin = Math.max(lowBin, index * bins);
        return { fromBin, bins: (index + 1) * bins - fromBin };
      }).filter((band) => band.bins >= bins / 2);
      if (bands.length > 0)
        levels.push({ bands, plan: new EnvelopePlan(library, length, sampleRateHz, bins) });
    }
    this.#levels = levels;
  }

  compute(spectrum: Float32Array): KurtogramResult {
    let band = this.#levels[0]!.bands[0]!;
    let best: EnvelopeStatistics = { kurtosis: Number.NEGATIVE_INFINITY, rms: 0 };
    for (const level of this.#levels) {
      for (const candidate of level.bands) {
        const statistics = level.plan.statistics(spectrum, candidate);
        if (statistics.kurtosis > best.kurtosis) {
          best = statistics;
          band = candidate;
        }
      }
    }
    return {
      kurtosis: best.kurtosis,
      centreHz: (band.fromBin + band.bins / 2) * this.#binHz,
      widthHz: band.bins * this.#binHz,
      envelopeRms: best.rms,
      band,
    };
  }

  close(): void {
    for (const level of this.#levels) level.plan.close();
  }
}
