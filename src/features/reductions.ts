import type { FftLibrary, Kernels } from './fft.js';

/** Sums over the samples of a block and over its spectrum. */
export interface Reductions {
  /** Sum, least and largest sample, then about the mean the sums of d², d³, d⁴, |d| and sqrt |d|. Overwritten. */
  waveform(samples: Float32Array): Float64Array;
  /** Sums of ln p and p ln p of p = power * scale over all bins but bin 0, none below `LEAST_SHARE`. Overwritten. */
  logarithms(power: Float64Array, scale: number): Float64Array;
  close(): void;
}

/** The smallest normal number: a bin without power has this share of it, so that its logarithm is finite. */
const LEAST_SHARE = 2 ** -1022;
/** Longer blocks are not copied into the memory of the kernels, samples. */
const MAX_SAMPLES = 262_144;

/** In JavaScript, for blocks of any length. */
export const plainReductions: Reductions = {
  waveform(samples) {
    let sum = 0;
    let smallest = Number.POSITIVE_INFINITY;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < samples.length; i++) {
      const x = samples[i]!;
      sum += x;
      if (x < smallest) smallest = x;
      if (x > largest) largest = x;
    }
    const mean = sum / samples.length;
    let sum2 = 0;
    let sum3 = 0;
    let sum4 = 0;
    let sumAbsolute = 0;
    let sumRoot = 0;
    for (let i = 0; i < samples.length; i++) {
      const d = samples[i]! - mean;
      const d2 = d * d;
      const absolute = Math.abs(d);
      sum2 += d2;
      sum3 += d2 * d;
      sum4 += d2 * d2;
      sumAbsolute += absolute;
      sumRoot += Math.sqrt(absolute);
    }
    return Float64Array.of(sum, smallest, largest, sum2, sum3, sum4, sumAbsolute, sumRoot);
  },
  logarithms(power, scale) {
    let sum = 0;
    let weighted = 0;
    for (let k = 1; k < power.length; k++) {
      const share = Math.max(power[k]! * scale, LEAST_SHARE);
      const log = Math.log(share);
      sum += log;
      weighted += share * log;
    }
    return Float64Array.of(sum, weighted);
  },
  close() {},
};

/** In WebAssembly where the engine has SIMD (five to ten times as fast), in JavaScript elsewhere. */
export function createReductions(library: FftLibrary, blockLength: number): Reductions {
  const { kernels } = library;
  if (kernels === undefined || blockLength > MAX_SAMPLES || blockLength < 4) return plainReductions;
  return new KernelReductions(library, kernels, blockLength);
}

const OUT_FLOATS = 8;

class KernelReductions implements Reductions {
  readonly #library: FftLibrary;
  readonly #kernels: Kernels;
  /** Eight results, then room for the samples, or for a spectrum of half as many float64. */
  readonly #place: number;
  readonly #doubles: number;
  #out: Float64Array;
  #values: Float64Array;
  #open = true;

  constructor(library: FftLibrary, kernels: Kernels, blockLength: number) {
    this.#library = library;
    this.#kernels = kernels;
    this.#doubles = OUT_FLOATS + Math.ceil(blockLength / 2) + 1;
    this.#place = library._pffft_aligned_malloc(this.#doubles * 8);
    [this.#out, this.#values] = this.#newViews();
  }

  waveform(samples: Float32Array): Float64Array {
    this.#renew();
    const place = this.#place + OUT_FLOATS * 8;
    this.#library.HEAPF32.set(samples, place >> 2);
    this.#kernels.waveformSums(place, samples.length, this.#place);
    return this.#out;
  }

  logarithms(power: Float64Array, scale: number): Float64Array {
    this.#renew();
    const count = power.length - 1;
    this.#values.set(power);
    // A pair at a time, from bin 1 on; one that is left over counts as certain: ln 1 = 0.
    if (count % 2 === 1) this.#values[count + 1] = 1 / scale;
    const place = this.#place + (OUT_FLOATS + 1) * 8;
    this.#kernels.logSums(place, count + (count & 1), scale, LEAST_SHARE, this.#place);
    return this.#out;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#library._pffft_aligned_free(this.#place);
  }

  /** The memory moves when it grows. */
  #renew(): void {
    if (this.#out.buffer !== this.#library.HEAPF32.buffer) [this.#out, this.#values] = this.#newViews();
  }

  #newViews(): [Float64Array, Float64Array] {
    const all = new Float64Array(this.#library.HEAPF32.buffer, this.#place, this.#doubles);
    return [all.subarray(0, OUT_FLOATS), all.subarray(OUT_FLOATS)];
  }
}
