import { type FftLibrary, fftLengthAtLeast, fftLengthAtMost } from './fft.js';
import { applyMelFilters, melFilterBank } from './mel.js';
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
  const melNames = filters.map((_, index) => `mel.${index}`);
  const reference = spec.unit === 'Pa' ? REFERENCE_PA : 1;

  function extract(samples: Float32Array): FeatureVector {
    requireBlockLength(spec, samples);
    const features: Record<string, number> = {};
    const { rms, crestFactor, kurtosis } = waveformStatistics(samples);
    features.rms = rms;
    features.crestFactor = crestFactor;
    features.kurtosis = kurtosis;
    features.levelDb = 20 * Math.log10(Math.max(rms, SILENCE) / reference);
    if (spectrum === undefined) return features;
    const power = spectrum.compute(samples);
    const shape = spectralShape(power, spectrum.binHz);
    features.spectralCentroidHz = shape.centroidHz;
    features.spectralSpreadHz = shape.spreadHz;
    features.spectralEntropy = shape.entropy;
    features.spectralFlatness = shape.flatness;
    features.spectralRollOffHz = shape.rollOffHz;
    applyMelFilters(filters, power, energies);
    for (let m = 0; m < energies.length; m++)
      features[melNames[m]!] = 10 * Math.log10(Math.max(energies[m]! * toMagnitude2, SILENCE));
    return features;
  }

  const names = Object.keys(extract(new Float32Array(blockLength)));
  return { spec, names, extract, close: () => spectrum?.close() };
}

/** The power of two next to the frame's duration, or the longest transform that the block holds. */
function frameLength(sampleRateHz: number, blockLength: number): number {
  const wanted = fftLengthAtLeast(2 ** Math.round(Math.log2(Math.max(32, FRAME_S * sampleRateHz))));
  return Math.min(wanted, blockLength);
}
