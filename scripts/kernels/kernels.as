/**
 * The batched path of the signal core, in AssemblyScript (TypeScript's syntax, WebAssembly's types): a whole
 * log-mel spectrogram in one call, with 128-bit vectors. `build.sh` beside this file makes
 * src/features/kernels-wasm.ts of it. It shares the memory of pffft, so it must have no static data and allocate
 * nothing; every pointer is 16-byte aligned unless it says otherwise.
 */

import { powerOfReal } from './fft';

export { complexTransform, realForward } from './fft';
export { logSums, magnitudeSums, waveformSums } from './reductions';

/** Sum of weights[i] * power[i]; `power` need not be aligned, `count` is a multiple of 4, not 0. */
function dot(weights: usize, power: usize, count: i32): f32 {
  let sum = f32x4.mul(v128.load(weights), v128.load(power));
  const bytes: usize = (<usize>count) << 2;
  for (let at: usize = 16; at < bytes; at += 16)
    sum = f32x4.add(sum, f32x4.mul(v128.load(weights + at), v128.load(power + at)));
  sum = f32x4.add(sum, i32x4.shuffle(sum, sum, 2, 3, 0, 1));
  return f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1);
}

/**
 * Ten times the decimal logarithm of four positive normal numbers: x = 2^e m with m in [sqrt 1/2, sqrt 2), and
 * ln m = 2 (s + s³/3 + s⁵/5 + s⁷/7 + s⁹/9), s = (m - 1) / (m + 1). The rest of the series is below 7e-10.
 */
function decibels(x: v128): v128 {
  const shifted = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const exponent = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const one = f32x4.splat(1);
  const s = f32x4.div(f32x4.sub(mantissa, one), f32x4.add(mantissa, one));
  const q = f32x4.mul(s, s);
  let series = f32x4.add(f32x4.mul(q, f32x4.splat(<f32>(1.0 / 9.0))), f32x4.splat(<f32>(1.0 / 7.0)));
  series = f32x4.add(f32x4.mul(series, q), f32x4.splat(<f32>(1.0 / 5.0)));
  series = f32x4.add(f32x4.mul(series, q), f32x4.splat(<f32>(1.0 / 3.0)));
  series = f32x4.mul(f32x4.mul(series, q), s);
  const logarithm = f32x4.add(s, series);
  // 20 / ln 10 and 10 lg 2.
  return f32x4.add(
    f32x4.mul(logarithm, f32x4.splat(8.685889638)),
    f32x4.mul(exponent, f32x4.splat(3.010299957)),
  );
}

/**
 * Energies in the mel bands of each frame, frame after frame: window, transform, power, sparse filters.
 * `bands` holds three numbers for each: bytes from the first bin, weights (a multiple of 4), pointer to them.
 * `samples` need not be aligned; frame n begins at sample n * hop. `power` has room for length / 2 + 8 floats.
 */
export function melEnergies(
  samples: usize,
  frames: i32,
  hop: i32,
  length: i32,
  window: usize,
  data: usize,
  work: usize,
  table: usize,
  power: usize,
  bands: usize,
  bandCount: i32,
  out: usize,
): void {
  for (let frame = 0; frame < frames; frame++) {
    powerOfReal(samples, window, data, work, table, power, length);
    let band = bands;
    for (let m = 0; m < bandCount; m++) {
      const from = <usize>i32.load(band);
      f32.store(out, dot(<usize>i32.load(band, 8), power + from, i32.load(band, 4)));
      band += 12;
      out += 4;
    }
    samples += (<usize>hop) << 2;
  }
}

/** In place: 10 lg of `count` (a multiple of 4) energies, none below `least`, none more than `range` dB below the highest. */
export function toDecibels(values: usize, count: i32, least: f32, range: f32): void {
  const end = values + ((<usize>count) << 2);
  const floor = f32x4.splat(least);
  let highest = floor;
  for (let at = values; at < end; at += 16) {
    const x = f32x4.max(v128.load(at), floor);
    highest = f32x4.max(highest, x);
    v128.store(at, decibels(x));
  }
  highest = f32x4.max(highest, i32x4.shuffle(highest, highest, 2, 3, 0, 1));
  highest = f32x4.max(highest, i32x4.shuffle(highest, highest, 1, 0, 3, 2));
  const lowest = f32x4.sub(decibels(highest), f32x4.splat(range));
  for (let at = values; at < end; at += 16) v128.store(at, f32x4.max(v128.load(at), lowest));
}
