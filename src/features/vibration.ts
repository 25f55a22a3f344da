import { type BearingOrders, bearingOrders } from './bearing-orders.js';
import { createDetailAnalysis } from './detail.js';
import { BlockSpectrum, EnvelopePlan, EnvelopeSpectrum } from './envelope.js';
import { harmonicRatioSum, SCRATCH_BINS } from './fault-lines.js';
import type { FftLibrary } from './fft.js';
import { createGearAnalysis } from './gear-features.js';
import { Kurtogram } from './kurtogram.js';
import { createReductions } from './reductions.js';
import {
  type AnalysisSpec,
  DEFAULT_BANDS,
  type Extractor,
  type FeatureVector,
  requireBlockLength,
  type SpectrumSpec,
} from './spec.js';
import { bandMeanSquare, lineAmplitude, PowerSpectrum, spectralShape, strongestLine } from './spectrum.js';
import { speedCorrection } from './speed-correction.js';
import { waveformStatistics } from './statistics.js';
import { vibrationUnit } from './units.js';
import { isoZone } from './zones.js';

/** Shaft orders that become features. */
const ORDERS = [1, 2, 3, 4, 5];
/** Speed may be off the nameplate by this share when a shaft order is looked for. */
const ORDER_TOLERANCE = 0.03;
/** ISO 20816-1: the band of broad-band vibration, and its lower end for machines below 600 rpm, Hz. */
const VELOCITY_BAND_HZ = { low: 10, lowSlow: 2, high: 1000 };
const SLOW_RPM = 600;
/** Below it the envelope band never reaches: there lie shaft orders, no resonances, Hz. */
const ENVELOPE_LOW_HZ = 500;
/** Without a bearing: the narrowest demodulation band, Hz. */
const MIN_ENVELOPE_BAND_HZ = 300;
/** Turns of the cause in one block below which its line cannot be told from its neighbours. */
const MIN_PERIODS = 6;

interface FaultFrequency {
  readonly name: keyof BearingOrders;
  readonly frequencyHz: number;
  readonly harmonics: readonly number[];
}

function faultFrequencies(spec: AnalysisSpec): FaultFrequency[] {
  if (spec.bearing === undefined || spec.speedRpm === undefined || !(spec.speedRpm > 0)) return [];
  const shaftHz = spec.speedRpm / 60;
  const orders = bearingOrders(spec.bearing);
  const durationS = spec.blockLength / spec.sampleRateHz;
  return (['bpfo', 'bpfi', 'bsf', 'ftf'] as const)
    .map((name) => ({
      name,
      frequencyHz: orders[name] * shaftHz,
      // A defect of a ball strikes both races: the even harmonics of its spin carry it.
      harmonics: name === 'bsf' ? [1, 2, 4] : [1, 2, 3],
    }))
    .filter(
      ({ frequencyHz }) => frequencyHz * durationS >= MIN_PERIODS && frequencyHz < spec.sampleRateHz / 8,
    );
}

const spectrumOptions = ({ segment, ...rest }: SpectrumSpec = {}) => ({
  ...rest,
  ...(segment === undefined ? {} : { maxTransform: segment }),
});

/** Features of vibration: acceleration, velocity or displacement. */
export function createVibrationExtractor(library: FftLibrary, spec: AnalysisSpec): Extractor {
  const { sampleRateHz, blockLength } = spec;
  const nyquistHz = sampleRateHz / 2;
  const shaftHz = spec.speedRpm !== undefined && spec.speedRpm > 0 ? spec.speedRpm / 60 : undefined;
  const spectrum = PowerSpectrum.create(library, blockLength, sampleRateHz, {
    window: spec.window ?? 'hann',
    ...spectrumOptions(spec.spectrum),
    removeMean: spec.window === 'flat-top' ? 'weighted' : true,
  });
  const lobe = spectrum?.window.mainLobeBins ?? 0;

  /** Amplitude of the strongest line about `frequencyHz`; through a flat-top window as such a window is read. */
  function amplitudeNear(power: Float64Array, binHz: number, frequencyHz: number): number {
    const reach = Math.max(1.5 * binHz, frequencyHz * ORDER_TOLERANCE);
    const line = strongestLine(power, binHz, frequencyHz - reach, frequencyHz + reach, lobe);
    return line === undefined ? 0 : lineAmplitude(power, binHz, line, spectrum!.window);
  }
  const block = BlockSpectrum.create(library, blockLength, sampleRateHz);
  const unit = vibrationUnit(spec.unit);
  const bands = (spec.bands ?? DEFAULT_BANDS)
    .filter(([low, high]) => low < high && high <= nyquistHz)
    .map(([low, high]) => ({ low, high, name: `band.${low}-${high}.rms` }));
  const velocityLowHz =
    spec.speedRpm !== undefined && spec.speedRpm < SLOW_RPM ? VELOCITY_BAND_HZ.lowSlow : VELOCITY_BAND_HZ.low;
  const resolution = spectrum?.binHz ?? Number.POSITIVE_INFINITY;
  const integrates = unit !== undefined && resolution <= velocityLowHz && nyquistHz > velocityLowHz;
  const orders =
    shaftHz === undefined
      ? []
      : ORDERS.filter((order) => order * shaftHz < nyquistHz && 4 * resolution <= shaftHz).map((order) => ({
          name: `order.${order}x`,
          frequencyHz: order * shaftHz,
        }));
  const meshHz =
    shaftHz !== undefined && spec.gear !== undefined && spec.gear.teeth * shaftHz < nyquistHz
      ? spec.gear.teeth * shaftHz
      : undefined;
  const gear =
    spec.gear === undefined || shaftHz === undefined
      ? undefined
      : createGearAnalysis(library, spec, shaftHz, spec.gear.teeth);
  const faults = faultFrequencies(spec);
  const fastestFaultHz = Math.max(0, ...faults.map((fault) => fault.frequencyHz));
  const envelope =
    block === undefined
      ? undefined
      : createEnvelopeAnalysis(library, block, sampleRateHz, fastestFaultHz, faults);
  const scratch = new Float64Array(SCRATCH_BINS);
  const reductions = createReductions(library, blockLength);
  const detail =
    spec.detail === 'full' ? createDetailAnalysis(library, blockLength, sampleRateHz) : undefined;

  function extract(samples: Float32Array): FeatureVector {
    requireBlockLength(spec, samples);
    const features: Record<string, number> = {};
    let speedRatio = 1;
    const statistics = waveformStatistics(samples, reductions);
    features.rms = statistics.rms;
    features.peak = statistics.peak;
    features.peakToPeak = statistics.peakToPeak;
    features.crestFactor = statistics.crestFactor;
    features.kurtosis = statistics.kurtosis;
    features.skewness = statistics.skewness;
    features.shapeFactor = statistics.shapeFactor;
    features.impulseFactor = statistics.impulseFactor;
    features.clearanceFactor = statistics.clearanceFactor;
    if (spectrum !== undefined) {
      const power = spectrum.compute(samples);
      const { binHz } = spectrum;
      if (integrates) addMotion(features, power, binHz);
      const shape = spectralShape(power, binHz, reductions);
      features.spectralCentroidHz = shape.centroidHz;
      features.spectralSpreadHz = shape.spreadHz;
      features.spectralEntropy = shape.entropy;
      features.spectralFlatness = shape.flatness;
      features.spectralRollOffHz = shape.rollOffHz;
      for (const band of bands)
        features[band.name] = Math.sqrt(bandMeanSquare(power, binHz, band.low, band.high));
      if (shaftHz !== undefined)
        speedRatio = speedCorrection(power, binHz, shaftHz, blockLength / sampleRateHz);
      for (const order of orders)
        features[order.name] = amplitudeNear(power, binHz, order.frequencyHz * speedRatio);
      if (meshHz !== undefined) features.gmf = amplitudeNear(power, binHz, meshHz * speedRatio);
    }
    if (gear !== undefined) gear.add(features, samples, shaftHz! * speedRatio);
    if (envelope !== undefined) envelope(samples, features, scratch, speedRatio);
    detail?.add(features, samples, statistics.mean, spectrum);
    return features;
  }

  function addMotion(features: Record<string, number>, power: Float64Array, binHz: number): void {
    // Powers of 2πf that turn the measured quantity into velocity and displacement.
    const { kind, toSi } = unit!;
    const toVelocity = { acceleration: -1, velocity: 0, displacement: 1 }[kind];
    const high = Math.min(VELOCITY_BAND_HZ.high, nyquistHz);
    const velocity2 = bandMeanSquare(power, binHz, velocityLowHz, high, toVelocity);
    features.velocityRmsMmPerS = Math.sqrt(velocity2) * toSi * 1e3;
    const displacement2 = bandMeanSquare(power, binHz, velocityLowHz, high, toVelocity - 1);
    if (spec.machine !== undefined) {
      const displacementRmsUm = Math.sqrt(displacement2) * toSi * 1e6;
      features.isoZone = isoZone(features.velocityRmsMmPerS, spec.machine, displacementRmsUm);
    }
    // Peak to peak of the sine of the same RMS: 2√2 times it, as ISO 20816-1 converts single-frequency motion.
    features.displacementPeakToPeakUm = Math.sqrt(displacement2) * 2 * Math.SQRT2 * toSi * 1e6;
  }

  const silent = extract(new Float32Array(blockLength));
  return {
    spec,
    names: Object.keys(silent),
    extract,
    close() {
      spectrum?.close();
      block?.close();
      envelope?.close();
      detail?.close();
      reductions.close();
    },
  };
}

interface EnvelopeAnalysis {
  (samples: Float32Array, features: Record<string, number>, scratch: Float64Array, speedRatio: number): void;
  close(): void;
}

function createEnvelopeAnalysis(
  library: FftLibrary,
  block: BlockSpectrum,
  sampleRateHz: number,
  fastestFaultHz: number,
  faults: readonly FaultFrequency[],
): EnvelopeAnalysis {
  const { length } = block;
  const minWidthHz = Math.max(MIN_ENVELOPE_BAND_HZ, 4 * fastestFaultHz);
  const kurtogram = new Kurtogram(library, length, sampleRateHz, {
    minWidthHz,
    lowHz: Math.min(ENVELOPE_LOW_HZ, sampleRateHz / 8),
  });
  const plan = new EnvelopePlan(library, length, sampleRateHz, length / 2);
  const envelopeSpectrum =
    faults.length === 0
      ? undefined
      : new EnvelopeSpectrum(library, plan.length, plan.sampleRateHz, plan.margin, 4.5 * fastestFaultHz);
  const analyse = (
    samples: Float32Array,
    features: Record<string, number>,
    scratch: Float64Array,
    speedRatio: number,
  ) => {
    block.compute(samples);
    const best = kurtogram.compute(block.data);
    features.envelopeRms = best.envelopeRms;
    features.spectralKurtosisMax = best.kurtosis;
    features.spectralKurtosisBandHz = best.centreHz;
    if (envelopeSpectrum === undefined) return;
    const depth = envelopeSpectrum.compute(plan.compute(block.data, best.band));
    for (const { name, frequencyHz, harmonics } of faults)
      features[name] = harmonicRatioSum(
        depth,
        envelopeSpectrum.binHz,
        frequencyHz * speedRatio,
        harmonics,
        scratch,
      );
  };
  return Object.assign(analyse, {
    close() {
      kurtogram.close();
      plan.close();
      envelopeSpectrum?.close();
    },
  });
}
