import type { FftLibrary } from './fft.js';
import { octaveRms, thirdOctaves } from './octaves.js';
import { lineAmplitude, lineAt, type PowerSpectrum } from './spectrum.js';
import { Autocorrelation, PERCENTILES, percentile, zeroCrossingRateHz } from './waveform-detail.js';

/** Adds the features of `detail: full` that vibration and sound share. */
export interface DetailAnalysis {
  add(
    features: Record<string, number>,
    samples: Float32Array,
    mean: number,
    spectrum: PowerSpectrum | undefined,
  ): void;
  close(): void;
}

/** Strongest lines of the spectrum that become features. */
const LINES = 5;

export function createDetailAnalysis(
  library: FftLibrary,
  blockLength: number,
  sampleRateHz: number,
): DetailAnalysis {
  const sorted = new Float32Array(blockLength);
  const autocorrelation =
    blockLength < 64 ? undefined : new Autocorrelation(library, blockLength, sampleRateHz);

  function addSpectrum(features: Record<string, number>, spectrum: PowerSpectrum): void {
    const { power, binHz, window } = spectrum;
    const bins = strongestBins(power, LINES);
    for (let n = 0; n < LINES; n++) {
      const bin = bins[n];
      const line = bin === undefined ? undefined : lineAt(power, binHz, bin, window.mainLobeBins);
      features[`line.${n + 1}.hz`] = line?.frequencyHz ?? 0;
      features[`line.${n + 1}.amplitude`] =
        line === undefined ? 0 : lineAmplitude(power, binHz, line, window);
    }
    for (const band of thirdOctaves(sampleRateHz / 2, binHz))
      features[`thirdOctave.${band.nominalHz}.rms`] = octaveRms(power, binHz, band);
  }

  return {
    add(features, samples, mean, spectrum) {
      sorted.set(samples);
      sorted.sort();
      for (const percent of PERCENTILES) features[`percentile.${percent}`] = percentile(sorted, percent);
      features.zeroCrossingRateHz = zeroCrossingRateHz(samples, mean, sampleRateHz);
      if (autocorrelation !== undefined) {
        const { value, lagS } = autocorrelation.peak(samples, mean);
        features.autocorrelationPeak = value;
        features.autocorrelationLagS = lagS;
      }
      if (spectrum !== undefined) addSpectrum(features, spectrum);
    },
    close: () => autocorrelation?.close(),
  };
}

/** Bins of the highest local maxima, highest first. */
function strongestBins(power: Float64Array, count: number): number[] {
  const best: number[] = [];
  for (let k = 1; k < power.length - 1; k++) {
    const value = power[k]!;
    if (value <= power[k - 1]! || value < power[k + 1]!) continue;
    let place = best.length;
    while (place > 0 && power[best[place - 1]!]! < value) place--;
    if (place >= count) continue;
    best.splice(place, 0, k);
    best.length = Math.min(best.length, count);
  }
  return best;
}
