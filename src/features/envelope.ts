import { ComplexFft, type FftLibrary, fftLengthAtLeast, fftLengthAtMost, RealFft } from './fft.js';
import { squaredMagnitudes, sumOf, windowInto } from './kernels.js';
import { createWindow } from './window.js';

/** Share of the block that is faded in and out, at each end: its two ends need not fit together. */
const FADE = 0.01;
/** Share of the envelope that is left out at each end, where the fade and the filter's ringing are. */
const MARGIN = 0.02;

/**
 * Spectrum of a whole block for filtering in the frequency domain: no window but a short fade at both ends.
 * `data` is packed as `RealFft` gives it.
 */
export class BlockSpectrum {
  readonly length: number;
  readonly binHz: number;
  readonly #fft: RealFft;
  readonly #start: number;
  readonly #fade: Float32Array;

  static create(library: FftLibrary, blockLength: number, sampleRateHz: number): BlockSpectrum | undefined {
    const length = fftLengthAtMost(Math.min(blockLength, 262_144));
    return length === undefined ? undefined : new BlockSpectrum(library, blockLength, length, sampleRateHz);
  }

  private constructor(library: FftLibrary, blockLength: number, length: number, sampleRateHz: number) {
    this.length = length;
    this.binHz = sampleRateHz / length;
    this.#fft = new RealFft(library, length);
    this.#start = Math.floor((blockLength - length) / 2);
    this.#fade = fade(length);
  }

  get data(): Float32Array {
    return this.#fft.data;
  }

  compute(samples: Float32Array): void {
    const mean = sumOf(samples, this.#start, this.length) / this.length;
    windowInto(this.data, samples, this.#start, mean, this.#fade);
    this.#fft.forward();
  }

  close(): void {
    this.#fft.close();
  }
}

/** One, with a raised cosine at both ends. */
function fade(length: number): Float32Array {
  const edge = Math.floor(length * FADE);
  const values = new Float32Array(length).fill(1);
  for (let i = 0; i < edge; i++) {
    const gain = 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / edge);
    values[i] = gain;
    values[length - 1 - i] = gain;
  }
  return values;
}

/** A band of a `BlockSpectrum`: bins [fromBin, fromBin + bins). */
export interface Band {
  readonly fromBin: number;
  readonly bins: number;
}

export interface EnvelopeStatistics {
  /**
   * Kurtosis of the band's complex envelope less 2, after Antoni (2006): 0 for stationary Gaussian noise, -1 for a
   * lone sine, large for impulses.
   */
  readonly kurtosis: number;
  /** Root mean square of the envelope, in unit. */
  readonly rms: number;
}

/**
 * Envelope of one band: the band's bins, shifted to zero frequency, go back to time as a complex signal whose
 * magnitude is the Hilbert envelope of the band-passed signal, at a sample rate no higher than the band is wide.
 */
export class EnvelopePlan {
  /** Samples of the envelope. */
  readonly length: number;
  readonly sampleRateHz: number;
  readonly #fft: ComplexFft;
  readonly #blockLength: number;
  /** Squared envelope, in unit². Overwritten by the next `compute`. */
  readonly squared: Float32Array;
  readonly #sums = new Float64Array(2);

  /** For bands of at most `maxBins` bins of a block of `blockLength` points. */
  constructor(library: FftLibrary, blockLength: number, blockSampleRateHz: number, maxBins: number) {
    this.length = fftLengthAtLeast(maxBins, 'complex');
    this.sampleRateHz = (blockSampleRateHz * this.length) / blockLength;
    this.#blockLength = blockLength;
    this.#fft = new ComplexFft(library, this.length);
    this.squared = new Float32Array(this.length);
  }

  /** Samples at each end that the statistics leave out. */
  get margin(): number {
    return Math.ceil(this.length * MARGIN);
  }

  compute(spectrum: Float32Array, band: Band): Float32Array {
    squaredMagnitudes(this.#transform(spectrum, band), this.#scale, this.squared);
    return this.squared;
  }

  /** Kurtosis and RMS of the envelope of a band, without keeping the envelope. */
  statistics(spectrum: Float32Array, band: Band): EnvelopeStatistics {
    const { margin } = this;
    this.#transform(spectrum, band);
    this.#fft.magnitudeSums(margin, this.length - margin, this.#sums);
    const [sum, sumOfSquares] = [this.#sums[0]!, this.#sums[1]!];
    const count = this.length - 2 * margin;
    return {
      kurtosis: sum > 0 ? (sumOfSquares * count) / (sum * sum) - 2 : 0,
      rms: Math.sqrt((sum / Math.max(1, count)) * this.#scale),
    };
  }

  /** The analytic signal carries twice the positive frequencies; pffft leaves out the division by its length. */
  get #scale(): number {
    return (2 / this.#blockLength) ** 2;
  }

  #transform(spectrum: Float32Array, band: Band): Float32Array {
    const from = Math.max(1, band.fromBin);
    const bins = Math.min(band.fromBin + band.bins, this.#blockLength / 2) - from;
    this.#fft.load(spectrum, from, bins);
    this.#fft.inverse();
    return this.#fft.data;
  }

  close(): void {
    this.#fft.close();
  }
}

/**
 * Spectrum of the squared envelope (Hann, mean removed), each line divided by the mean square: the depth of the
 * modulation at that frequency, free of scale.
 */
export class EnvelopeSpectrum {
  readonly binHz: number;
  /** Modulation depth per bin. Overwritten by the next `compute`. */
  readonly depth: Float32Array;
  readonly #fft: RealFft;
  readonly #window: Float32Array;
  readonly #inputLength: number;
  readonly #start: number;

  /** Only the first `maxHz` are kept. */
  constructor(
    library: FftLibrary,
    envelopeLength: number,
    envelopeRateHz: number,
    margin: number,
    maxHz: number,
  ) {
    const available = envelopeLength - 2 * margin;
    this.#inputLength = available;
    this.#start = margin;
    this.#fft = new RealFft(library, fftLengthAtLeast(available));
    this.#window = createWindow('hann', available).values;
    this.binHz = envelopeRateHz / this.#fft.length;
    const bins = Math.min(this.#fft.length / 2, Math.ceil(maxHz / this.binHz) + 1);
    this.depth = new Float32Array(bins);
  }

  compute(squared: Float32Array): Float32Array {
    const { depth } = this;
    const data = this.#fft.data;
    const window = this.#window;
    const n = this.#inputLength;
    let sum = 0;
    for (let i = 0; i < n; i++) sum += squared[this.#start + i]!;
    const mean = sum / n;
    if (!(mean > 0)) return depth.fill(0);
    for (let i = 0; i < n; i++) data[i] = (squared[this.#start + i]! / mean - 1) * window[i]!;
    data.fill(0, n);
    this.#fft.forward();
    // Amplitude correction of the Hann window: 2 / (n / 2).
    const scale = 4 / n;
    depth[0] = Math.abs(data[0]!) * scale * 0.5;
    for (let k = 1, i = 2; k < depth.length; k++, i += 2)
      depth[k] = Math.sqrt(data[i]! * data[i]! + data[i + 1]! * data[i + 1]!) * scale;
    return depth;
  }

  close(): void {
    this.#fft.close();
  }
}
