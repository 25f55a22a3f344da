import { type AveragingMode, SpectrumAverage } from './averaging.js';
import { type FftLibrary, fftLengthAtMost, RealFft } from './fft.js';
import { addPowerOf, sumOf, weightedSumOf, windowInto } from './kernels.js';
import { plainReductions, type Reductions } from './reductions.js';
import { createWindow, scalloping, type Window, type WindowName } from './window.js';

/** Longest single transform: 10 s at 25.6 kHz, 0.1 Hz per bin. Longer blocks are averaged after Welch. */
const MAX_TRANSFORM = 262_144;

export interface PowerSpectrumOptions {
  readonly window?: WindowName;
  readonly maxTransform?: number;
  /** Share of a segment that the next one repeats, 0 to below 1; 0.5 where missing. */
  readonly overlap?: number;
  /** How the segments of a block become one spectrum; `linear` (Welch) where missing. */
  readonly averaging?: AveragingMode;
  /**
   * Subtract the mean of each segment; true where missing. `weighted`: the mean as the window sees it, which empties
   * bin 0 altogether, so that a sine of few turns is not read through the skirt of its own mean.
   */
  readonly removeMean?: boolean | 'weighted';
}

/**
 * One-sided power spectrum of a block, averaged after Welch (1967): Hann segments with 50 % overlap, mean removed
 * from each. `power[k]` is the mean square in bin k, so that the sum over bins is the mean square of the signal.
 */
export class PowerSpectrum {
  readonly binHz: number;
  /** Points of one transform; the longest that pffft does within the block. */
  readonly transformLength: number;
  /** Mean square per bin, in unit². Overwritten by the next `compute`. */
  readonly power: Float64Array;
  readonly window: Window;
  readonly #fft: RealFft;
  readonly #starts: readonly number[];
  readonly #removeMean: boolean | 'weighted';
  /** Missing where the segments are simply added up. */
  readonly #average: SpectrumAverage | undefined;

  /** Undefined where the block is shorter than the shortest transform (32 samples). */
  static create(
    library: FftLibrary,
    blockLength: number,
    sampleRateHz: number,
    options: PowerSpectrumOptions = {},
  ): PowerSpectrum | undefined {
    const length = fftLengthAtMost(Math.min(blockLength, options.maxTransform ?? MAX_TRANSFORM));
    if (length === undefined) return undefined;
    return new PowerSpectrum(library, blockLength, length, sampleRateHz, options);
  }

  private constructor(
    library: FftLibrary,
    blockLength: number,
    length: number,
    sampleRateHz: number,
    options: PowerSpectrumOptions,
  ) {
    this.transformLength = length;
    this.binHz = sampleRateHz / length;
    this.power = new Float64Array(length / 2 + 1);
    this.window = createWindow(options.window ?? 'hann', length);
    this.#removeMean = options.removeMean ?? true;
    this.#fft = new RealFft(library, length);
    this.#starts = segmentStarts(blockLength, length, options.overlap ?? 0.5);
    const mode = options.averaging ?? 'linear';
    this.#average = mode === 'linear' ? undefined : new SpectrumAverage(length / 2 + 1, mode);
  }

  /** Power spectrum of one block of the length that the plan was made for. */
  compute(samples: Float32Array): Float64Array {
    const { power, transformLength: n, window } = this;
    power.fill(0);
    if (this.#average === undefined) for (const start of this.#starts) this.#addSegment(samples, start);
    else this.#averageSegments(samples, this.#average);
    // Energy correction; both signs of the frequency fall into one bin, but for the first and the last.
    const count = this.#average === undefined ? this.#starts.length : 1;
    const scale = 2 / (n * n * window.powerGain * count);
    for (let k = 1; k < n / 2; k++) power[k]! *= scale;
    power[0]! *= scale / 2;
    power[n / 2]! *= scale / 2;
    return power;
  }

  /** Power spectral density of the last `compute`, unit²/Hz (`scipy.signal.welch(scaling='density')`). */
  density(out = new Float64Array(this.power.length)): Float64Array {
    for (let k = 0; k < out.length; k++) out[k] = this.power[k]! / this.binHz;
    return out;
  }

  /**
   * Amplitude spectrum of the last `compute`, unit: what a sine on a bin reads there (amplitude correction, that is
   * the coherent gain of the window; a density needs `density`).
   */
  amplitudes(out = new Float64Array(this.power.length)): Float64Array {
    for (let k = 0; k < out.length; k++)
      out[k] = Math.sqrt((k === 0 ? 1 : 2) * this.power[k]! * this.window.noiseBandwidthBins);
    return out;
  }

  close(): void {
    this.#fft.close();
  }

  #meanOf(samples: Float32Array, start: number): number {
    if (this.#removeMean === false) return 0;
    const n = this.transformLength;
    if (this.#removeMean === true) return sumOf(samples, start, n) / n;
    return weightedSumOf(samples, start, this.window.values) / (n * this.window.coherentGain);
  }

  #averageSegments(samples: Float32Array, average: SpectrumAverage): void {
    average.reset();
    for (const start of this.#starts) {
      this.power.fill(0);
      this.#addSegment(samples, start);
      average.add(this.power);
    }
    this.power.set(average.power);
  }

  #addSegment(samples: Float32Array, start: number): void {
    const { data } = this.#fft;
    windowInto(data, samples, start, this.#meanOf(samples, start), this.window.values);
    this.#fft.forward();
    addPowerOf(data, this.power);
  }
}

/** Segments that overlap, from the first sample on; a lone one stands in the middle. */
function segmentStarts(blockLength: number, length: number, overlap: number): number[] {
  const hop = Math.max(1, length - Math.floor(length * Math.min(Math.max(overlap, 0), 0.99)));
  const count = Math.floor((blockLength - length) / hop) + 1;
  const first = count === 1 ? Math.floor((blockLength - length) / 2) : 0;
  return Array.from({ length: count }, (_, index) => first + index * hop);
}

/**
 * Mean square within [lowHz, highHz]: a bin counts by the share of its width that lies in the band.
 * `power` as of `PowerSpectrum`, `exponent` of 2πf weights each bin: -2 turns acceleration into velocity.
 */
export function bandMeanSquare(
  power: Float64Array,
  binHz: number,
  lowHz: number,
  highHz: number,
  exponent = 0,
): number {
  const last = power.length - 1;
  const from = Math.max(1, Math.floor(lowHz / binHz - 0.5));
  const to = Math.min(last, Math.ceil(highHz / binHz + 0.5));
  let sum = 0;
  for (let k = from; k <= to; k++) {
    const share = Math.min(k + 0.5, highHz / binHz) - Math.max(k - 0.5, lowHz / binHz);
    if (share <= 0) continue;
    sum += power[k]! * evenPower(2 * Math.PI * k * binHz, 2 * exponent) * Math.min(1, share);
  }
  return sum;
}

/** `base` to a small even power, which is much faster by products than by `**`. */
function evenPower(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  let result = 1;
  const square = base * base;
  for (let i = 0; i < Math.abs(exponent); i += 2) result *= square;
  return exponent < 0 ? 1 / result : result;
}

export interface SpectralShape {
  /** Power-weighted mean frequency. */
  readonly centroidHz: number;
  /** Power-weighted standard deviation around the centroid. */
  readonly spreadHz: number;
  /** Shannon entropy of the normalised power, 0 (one line) to 1 (white). */
  readonly entropy: number;
  /** Geometric over arithmetic mean of the power, 0 to 1. */
  readonly flatness: number;
  /** Frequency below which 85 % of the power lies. */
  readonly rollOffHz: number;
}

const ROLL_OFF = 0.85;

/** Shape of a power spectrum without its bin 0. All zero for silence. */
export function spectralShape(
  power: Float64Array,
  binHz: number,
  reductions: Reductions = plainReductions,
): SpectralShape {
  const count = power.length - 1;
  let total = 0;
  let moment = 0;
  for (let k = 1; k <= count; k++) {
    total += power[k]!;
    moment += k * power[k]!;
  }
  if (!(total > 0)) return { centroidHz: 0, spreadHz: 0, entropy: 0, flatness: 0, rollOffHz: 0 };
  const centroid = moment / total;
  const rollOffPower = ROLL_OFF * total;
  let spread = 0;
  let below = 0;
  let rollOff = 0;
  for (let k = 1; k <= count; k++) {
    const p = power[k]!;
    spread += (k - centroid) * (k - centroid) * p;
    if (below < rollOffPower) rollOff = k;
    below += p;
  }
  const logarithms = reductions.logarithms(power, 1 / total);
  return {
    centroidHz: centroid * binHz,
    spreadHz: Math.sqrt(spread / total) * binHz,
    entropy: -logarithms[1]! / Math.log(count),
    flatness: Math.exp(logarithms[0]! / count) * count,
    rollOffHz: rollOff * binHz,
  };
}

export interface SpectralPeak {
  readonly frequencyHz: number;
  /** Amplitude of the sine that stands there, in unit. */
  readonly amplitude: number;
  readonly bin: number;
}

/**
 * The highest line within [lowHz, highHz]. Its frequency is the power-weighted mean over the main lobe, its amplitude
 * the sum of power over it: for a lone sine both are right at any place between bins.
 */
export function strongestLine(
  power: Float64Array,
  binHz: number,
  lowHz: number,
  highHz: number,
  mainLobeBins: number,
): SpectralPeak | undefined {
  const from = Math.max(1, Math.ceil(lowHz / binHz));
  const to = Math.min(power.length - 1, Math.floor(highHz / binHz));
  if (to < from) return undefined;
  let bin = from;
  for (let k = from + 1; k <= to; k++) if (power[k]! > power[bin]!) bin = k;
  return lineAt(power, binHz, bin, mainLobeBins);
}

/** The line whose highest bin is `bin`. */
export function lineAt(power: Float64Array, binHz: number, bin: number, mainLobeBins: number): SpectralPeak {
  let sum = 0;
  let moment = 0;
  const last = Math.min(power.length - 1, bin + mainLobeBins);
  for (let k = Math.max(1, bin - mainLobeBins); k <= last; k++) {
    sum += power[k]!;
    moment += k * power[k]!;
  }
  const place = sum > 0 ? moment / sum : bin;
  return { frequencyHz: place * binHz, amplitude: Math.sqrt(2 * sum), bin };
}

/** Amplitude of a line as its window is read: a flat-top window at the peak, the others over the main lobe. */
export function lineAmplitude(
  power: Float64Array,
  binHz: number,
  line: SpectralPeak,
  window: Window,
): number {
  return window.name === 'flat-top' ? peakAmplitude(power, binHz, line, window) : line.amplitude;
}

/**
 * Amplitude of the sine whose highest bin is that of `line`, read at the peak as through a flat-top window and freed
 * of the window's scalloping. Within 0.1 % for a lone sine from four turns in the block to three bins below half the
 * sample rate, where the window is flat-top and the mean was removed `weighted`.
 */
function peakAmplitude(power: Float64Array, binHz: number, line: SpectralPeak, window: Window): number {
  const offset = Math.min(0.5, Math.max(-0.5, line.frequencyHz / binHz - line.bin));
  return Math.sqrt(2 * power[line.bin]! * window.noiseBandwidthBins) / scalloping(window.name, offset);
}
