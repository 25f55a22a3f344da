import { createDetailAnalysis } from './detail.js';
import { type FftLibrary, fftLengthAtLeast, fftLengthAtMost } from './fft.js';
import { createLogMel } from './log-mel.js';
import { applyMelFilters, melFilterBank } from './mel.js';
import { deltas, mfcc } from './mfcc.js';
import { aWeights } from './octaves.js';
import { createReductions } from './reductions.js';
import { type AnalysisSpec, type Extractor, type FeatureVector, requireBlockLength } from './spec.js';
import { PowerSpectrum, spectralShape } from './spectrum.js';
import { waveformStatistics } from './statistics.js';

export const MEL_BANDS = 40;
/** 1,024 points at 16 kHz. */
const FRAME_S = 0.064;
/** Upper edge of the mel bands, Hz, so that a band means the same at every sample rate. */
const MEL_HIGH_HZ = 8000;
/** Energy that stands for silence (librosa's `amin`). */
const SILENCE = 1e-10;
/** 0 dB of airborne sound, Pa (ISO 1683). */
const REFERENCE_PA = 20e-6;

/**
 * Features of sound: level, timbre and log-mel energies. `mel.<k>` is `power_to_db(mean over time of
 * melspectrogram(center=False, n_fft, hop_length=n_fft/2, n_mels=40, fmax=8000))` in librosa's terms.
 */
export function createSoundExtractor(library: FftLibrary, spec: AnalysisSpec): Extractor {
  const { sampleRateHz, blockLength } = spec;
  const frame =
    fftLengthAtMost(blockLength) === undefined ? undefined : frameLength(sampleRateHz, blockLength);
  const spectrum =
    frame === undefined
      ? undefined
      : PowerSpectrum.create(library, blockLength, sampleRateHz, { maxTransform: frame, removeMean: false });
  const filters =
    spectrum === undefined
      ? []
      : melFilterBank({
          sampleRateHz,
          transformLength: spectrum.transformLength,
          count: MEL_BANDS,
          highHz: Math.min(MEL_HIGH_HZ, sampleRateHz / 2),
        });
  // From mean square per bin to the squared magnitude of the transform, as librosa counts energy.
  const toMagnitude2 =
    spectrum === undefined ? 1 : (spectrum.transformLength ** 2 * spectrum.window.powerGain) / 2;
  const energies = new Float64Array(filters.length);
  const weights = spectrum === undefined ? undefined : aWeights(spectrum.power.length, spectrum.binHz);
  const detail =
    spec.detail === 'full' && spectrum !== undefined
      ? createSoundDetail(library, spec, spectrum.transformLength)
      : undefined;
  const reductions = createReductions(library, blockLength);
  const melNames = filters.map((_, index) => `mel.${index}`);
  const reference = spec.unit === 'Pa' ? REFERENCE_PA : 1;

  function extract(samples: Float32Array): FeatureVector {
    requireBlockLength(spec, samples);
    const features: Record<string, number> = {};
    const { mean, rms, crestFactor, kurtosis } = waveformStatistics(samples, reductions);
    features.rms = rms;
    features.crestFactor = crestFactor;
    features.kurtosis = kurtosis;
    features.levelDb = 20 * Math.log10(Math.max(rms, SILENCE) / reference);
    if (spectrum === undefined) return features;
    const power = spectrum.compute(samples);
    features.levelDbA =
      10 * Math.log10(Math.max(weightedSum(power, weights!), SILENCE ** 2) / reference ** 2);
    const shape = spectralShape(power, spectrum.binHz, reductions);
    features.spectralCentroidHz = shape.centroidHz;
    features.spectralSpreadHz = shape.spreadHz;
    features.spectralEntropy = shape.entropy;
    features.spectralFlatness = shape.flatness;
    features.spectralRollOffHz = shape.rollOffHz;
    applyMelFilters(filters, power, energies);
    for (let m = 0; m < energies.length; m++)
      features[melNames[m]!] = 10 * Math.log10(Math.max(energies[m]! * toMagnitude2, SILENCE));
    detail?.add(features, samples, mean);
    return features;
  }

  const names = Object.keys(extract(new Float32Array(blockLength)));
  return { spec, names, extract, close };

  function close(): void {
    spectrum?.close();
    detail?.close();
    reductions.close();
  }
}

function weightedSum(power: Float64Array, weights: Float64Array): number {
  let sum = 0;
  for (let k = 1; k < power.length; k++) sum += power[k]! * weights[k]!;
  return sum;
}

/** MFCC that become features. */
const COEFFICIENTS = 13;

/** What `detail: full` adds to sound: MFCC and their movement, and what it adds to every waveform. */
function createSoundDetail(library: FftLibrary, spec: AnalysisSpec, transformLength: number) {
  const { sampleRateHz, blockLength } = spec;
  const fine = PowerSpectrum.create(library, blockLength, sampleRateHz);
  const waveform = createDetailAnalysis(library, blockLength, sampleRateHz);
  const spectrogram = createLogMel(library, blockLength, {
    sampleRateHz,
    transformLength,
    hop: transformLength / 2,
    count: MEL_BANDS,
    highHz: Math.min(MEL_HIGH_HZ, sampleRateHz / 2),
  });
  return {
    add(features: Record<string, number>, samples: Float32Array, mean: number): void {
      fine?.compute(samples);
      waveform.add(features, samples, mean, fine);
      const coefficients = mfcc(spectrogram.compute(samples), MEL_BANDS, COEFFICIENTS);
      const slopes = deltas(coefficients, COEFFICIENTS);
      for (let k = 0; k < COEFFICIENTS; k++) {
        let sum = 0;
        let sumOfSquares = 0;
        for (let i = k; i < coefficients.length; i += COEFFICIENTS) {
          sum += coefficients[i]!;
          sumOfSquares += slopes[i]! ** 2;
        }
        features[`mfcc.${k}`] = sum / spectrogram.frames;
        features[`mfccDelta.${k}.rms`] = Math.sqrt(sumOfSquares / spectrogram.frames);
      }
    },
    close(): void {
      fine?.close();
      waveform.close();
      spectrogram.close();
    },
  };
}

/** The power of two next to the frame's duration, or the longest transform that the block holds. */
function frameLength(sampleRateHz: number, blockLength: number): number {
  const wanted = fftLengthAtLeast(2 ** Math.round(Math.log2(Math.max(32, FRAME_S * sampleRateHz))));
  return Math.min(wanted, blockLength);
}
