import { type FftLibrary, fftLengthAtMost, RealFft } from './fft.js';
import { addPowerOf, sumOf, windowInto } from './kernels.js';
import { createWindow, type Window, type WindowName } from './window.js';

/** Longest single transform: 10 s at 25.6 kHz, 0.1 Hz per bin. Longer blocks are averaged after Welch. */
const MAX_TRANSFORM = 262_144;

export interface PowerSpectrumOptions {
  readonly window?: WindowName;
  readonly maxTransform?: number;
  /** Subtract the mean of each segment; true where missing. */
  readonly removeMean?: boolean;
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
  readonly #removeMean: boolean;

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
    this.#starts = segmentStarts(blockLength, length);
  }

  /** Power spectrum of one block of the length that the plan was made for. */
  compute(samples: Float32Array): Float64Array {
    const { power, transformLength: n, window } = this;
    power.fill(0);
    for (const start of this.#starts) this.#addSegment(samples, start);
    // Energy correction; both signs of the frequency fall into one bin, but for the first and the last.
    const scale = 2 / (n * n * window.powerGain * this.#starts.length);
    for (let k = 1; k < n / 2; k++) power[k]! *= scale;
    power[0]! *= scale / 2;
    power[n / 2]! *= scale / 2;
    return power;
  }

  close(): void {
    this.#fft.close();
  }

  #addSegment(samples: Float32Array, start: number): void {
    const mean = this.#removeMean ? sumOf(samples, start, this.transformLength) / this.transformLength : 0;
    const { data } = this.#fft;
    windowInto(data, samples, start, mean, this.window.values);
    this.#fft.forward();
    addPowerOf(data, this.power);
  }
}

/** Segments that overlap by half, from the first sample on; a lone one stands in the middle. */
function segmentStarts(blockLength: number, length: number): number[] {
  const hop = length / 2;
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
export function spectralShape(power: Float64Array, binHz: number): SpectralShape {
  const count = power.length - 1;
  let total = 0;
  let moment = 0;
  for (let k = 1; k <= count; k++) {
    total += power[k]!;
    moment += k * power[k]!;
  }
  if (!(total > 0)) return { centroidHz: 0, spreadHz: 0, entropy: 0, flatness: 0, rollOffHz: 0 };
  const centroid = moment / total;
  let variance = 0;
  let entropy = 0;
  let sumOfLogs = 0;
  let below = 0;
  let rollOff = 0;
  for (let k = 1; k <= count; k++) {
    const share = power[k]! / total;
    variance += (k - centroid) ** 2 * share;
    const log = Math.log(Math.max(share, Number.MIN_VALUE));
    entropy -= share * log;
    sumOfLogs += log;
    below += share;
    if (rollOff === 0 && below >= ROLL_OFF) rollOff = k;
  }
  return {
    centroidHz: centroid * binHz,
    spreadHz: Math.sqrt(variance) * binHz,
    entropy: entropy / Math.log(count),
    flatness: Math.exp(sumOfLogs / count) * count,
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
