import { SmEdgeError } from '../base/errors.js';
import type { FftLibrary, Kernels } from './fft.js';
import { fftTables, isKernelLength } from './fft-tables.js';
import { melFilterBank } from './mel.js';
import { MelSpectrogram, type MelSpectrogramOptions, toDecibels } from './mel-spectrogram.js';
import { createWindow } from './window.js';

/** Log-mel of signals of one length: frame after frame, dB, with the numbers of librosa (`power_to_db`). */
export interface LogMel {
  readonly frames: number;
  readonly bands: number;
  /** Overwritten by the next call. */
  compute(samples: Float32Array): Float32Array | Float64Array;
  close(): void;
}

const TOP_DB = 80;
/** librosa's `amin`. */
const LEAST = 1e-10;

/**
 * In WebAssembly, one call for the whole spectrogram in float32, where the engine has SIMD: within 1e-4 dB of float64
 * down to 80 dB below the highest. In JavaScript and float64 elsewhere.
 */
export function createLogMel(library: FftLibrary, length: number, options: MelSpectrogramOptions): LogMel {
  const { kernels } = library;
  if (kernels !== undefined && isKernelLength(options.transformLength, 'real'))
    return new BatchedLogMel(library, kernels, length, options);
  const spectrogram = new MelSpectrogram(library, length, options);
  return {
    frames: spectrogram.frames,
    bands: spectrogram.bands,
    compute: (samples) => toDecibels(spectrogram.compute(samples), TOP_DB),
    close: () => spectrogram.close(),
  };
}

/** Every band has four weights at least, if only zeros. */
const paddedWeights = (count: number): number => Math.max(4, padded(count));
const padded = (count: number): number => (count + 3) & ~3;

class BatchedLogMel implements LogMel {
  readonly frames: number;
  readonly bands: number;
  readonly #library: FftLibrary;
  readonly #kernels: Kernels;
  readonly #length: number;
  readonly #hop: number;
  readonly #transformLength: number;
  /** One piece of memory for everything, and where in it each part begins, bytes. */
  readonly #base: number;
  readonly #at;
  /** Zeros before the first sample, where frames are centred. */
  readonly #lead: number;
  #open = true;

  constructor(library: FftLibrary, kernels: Kernels, length: number, options: MelSpectrogramOptions) {
    const { transformLength: n, hop } = options;
    this.#library = library;
    this.#kernels = kernels;
    this.#length = length;
    this.#hop = hop;
    this.#transformLength = n;
    const centred = options.centre ?? true;
    this.#lead = centred ? n / 2 : 0;
    this.frames = Math.max(0, 1 + Math.floor((centred ? length : length - n) / hop));
    this.bands = options.count;
    const filters = melFilterBank(options);
    const weights = filters.reduce((sum, filter) => sum + paddedWeights(filter.weights.length), 0);
    const factors = fftTables(n, 'real');
    const parts = {
      samples: padded(this.#lead + length + n),
      window: n,
      data: n,
      work: n,
      factors: factors.length,
      power: padded(n / 2 + 8),
      table: padded(3 * this.bands),
      weights,
      out: padded(this.frames * this.bands),
    };
    let floats = 0;
    const at = Object.fromEntries(
      Object.entries(parts).map(([name, count]) => {
        const place = floats * 4;
        floats += count;
        return [name, place];
      }),
    ) as Record<keyof typeof parts, number>;
    this.#base = library._pffft_aligned_malloc(floats * 4);
    if (this.#base === 0)
      throw new SmEdgeError('FFT_MEMORY', `no memory for a spectrogram of ${length} samples`);
    this.#at = at;

    const memory = library.HEAPF32.subarray(this.#base >> 2, (this.#base >> 2) + floats).fill(0);
    memory.set(createWindow('hann', n).values, at.window >> 2);
    memory.set(factors, at.factors >> 2);
    const table = new Int32Array(memory.buffer, this.#base + at.table, 3 * this.bands);
    let weightAt = at.weights;
    filters.forEach((filter, m) => {
      const count = paddedWeights(filter.weights.length);
      table.set([filter.fromBin * 4, count, this.#base + weightAt], 3 * m);
      memory.set(filter.weights, weightAt >> 2);
      weightAt += count * 4;
    });
  }

  compute(samples: Float32Array): Float32Array {
    if (samples.length !== this.#length)
      throw new SmEdgeError('BLOCK_LENGTH', `${samples.length} samples given, ${this.#length} expected`);
    const memory = this.#library.HEAPF32;
    const base = this.#base;
    const at = this.#at;
    memory.set(samples, (base + at.samples) / 4 + this.#lead);
    this.#kernels.melEnergies(
      base + at.samples,
      this.frames,
      this.#hop,
      this.#transformLength,
      base + at.window,
      base + at.data,
      base + at.work,
      base + at.factors,
      base + at.power,
      base + at.table,
      this.bands,
      base + at.out,
    );
    const count = this.frames * this.bands;
    this.#kernels.toDecibels(base + at.out, padded(count), LEAST, TOP_DB);
    return memory.subarray((base + at.out) / 4, (base + at.out) / 4 + count);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#library._pffft_aligned_free(this.#base);
  }
}
