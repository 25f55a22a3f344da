/**
 * The inner loops of the signal core, as functions of plain arrays: the engine compiles them three times as fast as
 * the same loops inside methods (bench/features.js). Unrolled where that was measured to help.
 */

/** out[i] = (samples[start + i] - mean) * window[i] for the length of the window. */
export function windowInto(
  out: Float32Array,
  samples: Float32Array,
  start: number,
  mean: number,
  window: Float32Array,
): void {
  const n = window.length;
  let i = 0;
  for (; i + 3 < n; i += 4) {
    const j = start + i;
    out[i] = (samples[j]! - mean) * window[i]!;
    out[i + 1] = (samples[j + 1]! - mean) * window[i + 1]!;
    out[i + 2] = (samples[j + 2]! - mean) * window[i + 2]!;
    out[i + 3] = (samples[j + 3]! - mean) * window[i + 3]!;
  }
  for (; i < n; i++) out[i] = (samples[start + i]! - mean) * window[i]!;
}

/** Sum of samples[start .. start + length), in four parts so that additions overlap. */
export function sumOf(samples: Float32Array, start: number, length: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = start;
  const end = start + length;
  for (; i + 3 < end; i += 4) {
    a += samples[i]!;
    b += samples[i + 1]!;
    c += samples[i + 2]!;
    d += samples[i + 3]!;
  }
  for (; i < end; i++) a += samples[i]!;
  return a + b + c + d;
}

/** Sum of samples[start + i] * window[i] over the length of the window. */
export function weightedSumOf(samples: Float32Array, start: number, window: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < window.length; i++) sum += samples[start + i]! * window[i]!;
  return sum;
}

/** power[k] = squared magnitude of bin k of a spectrum packed as `RealFft` gives it. */
export function powerOf(packed: Float32Array, power: Float64Array): void {
  const n = packed.length;
  power[0] = packed[0]! * packed[0]!;
  power[n / 2] = packed[1]! * packed[1]!;
  for (let k = 1, i = 2; i < n; k++, i += 2) {
    const re = packed[i]!;
    const im = packed[i + 1]!;
    power[k] = re * re + im * im;
  }
}

/** As `powerOf`, added to what is there. */
export function addPowerOf(packed: Float32Array, power: Float64Array): void {
  const n = packed.length;
  power[0]! += packed[0]! * packed[0]!;
  power[n / 2]! += packed[1]! * packed[1]!;
  for (let k = 1, i = 2; i < n; k++, i += 2) {
    const re = packed[i]!;
    const im = packed[i + 1]!;
    power[k]! += re * re + im * im;
  }
}

/** out[i] = squared magnitude of complex number i of `interleaved`, times `scale`. */
export function squaredMagnitudes(interleaved: Float32Array, scale: number, out: Float32Array): void {
  for (let i = 0, j = 0; i < out.length; i++, j += 2) {
    const re = interleaved[j]!;
    const im = interleaved[j + 1]!;
    out[i] = (re * re + im * im) * scale;
  }
}

/** Sums of e and e² of the squared magnitudes e of complex numbers [from, to), into `sums`. */
export function magnitudeSums(interleaved: Float32Array, from: number, to: number, sums: Float64Array): void {
  let sum = 0;
  let sumOfSquares = 0;
  for (let j = 2 * from; j < 2 * to; j += 2) {
    const re = interleaved[j]!;
    const im = interleaved[j + 1]!;
    const e = re * re + im * im;
    sum += e;
    sumOfSquares += e * e;
  }
  sums[0] = sum;
  sums[1] = sumOfSquares;
}

/** Sum of weights[i] * values[from + i]. */
export function dotProduct(weights: Float64Array, values: Float64Array, from: number): number {
  let a = 0;
  let b = 0;
  let i = 0;
  for (; i + 1 < weights.length; i += 2) {
    a += weights[i]! * values[from + i]!;
    b += weights[i + 1]! * values[from + i + 1]!;
  }
  if (i < weights.length) a += weights[i]! * values[from + i]!;
  return a + b;
}
