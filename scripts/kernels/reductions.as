/** Sums over blocks, with 128-bit vectors and in float64 where the JavaScript they stand for is. */

// @ts-ignore: decorator
@inline
function total(pair: v128): f64 {
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

/**
 * Of `count` float32 samples: sum, least, largest, then about their mean the sums of d², d³, d⁴, |d| and sqrt |d|.
 * Eight float64 at `out`; `samples` 16-byte aligned.
 */
export function waveformSums(samples: usize, count: i32, out: usize): void {
  const end = samples + ((<usize>count) << 2);
  const vectors = samples + ((<usize>(count & ~3)) << 2);
  let sums = f64x2.splat(0);
  let sums2 = f64x2.splat(0);
  let least = f32x4.splat(f32.MAX_VALUE);
  let largest = f32x4.splat(-f32.MAX_VALUE);
  let at = samples;
  for (; at < vectors; at += 16) {
    const x = v128.load(at);
    least = f32x4.pmin(least, x);
    largest = f32x4.pmax(largest, x);
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(x));
    sums2 = f64x2.add(sums2, f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 0, 1)));
  }
  let sum = total(f64x2.add(sums, sums2));
  least = f32x4.pmin(least, i32x4.shuffle(least, least, 2, 3, 0, 1));
  largest = f32x4.pmax(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  let low = min(f32x4.extract_lane(least, 0), f32x4.extract_lane(least, 1));
  let high = max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1));
  for (; at < end; at += 4) {
    const x = f32.load(at);
    low = min(low, x);
    high = max(high, x);
    sum += <f64>x;
  }
  const mean = sum / <f64>count;
  const means = f64x2.splat(mean);
  let second = f64x2.splat(0);
  let third = f64x2.splat(0);
  let fourth = f64x2.splat(0);
  let absolute = f64x2.splat(0);
  let roots = f64x2.splat(0);
  for (at = samples; at < vectors; at += 8) {
    const d = f64x2.sub(f64x2.promote_low_f32x4(v128.load64_zero(at)), means);
    const size = f64x2.abs(d);
    const d2 = f64x2.mul(d, d);
    second = f64x2.add(second, d2);
    third = f64x2.add(third, f64x2.mul(d2, d));
    fourth = f64x2.add(fourth, f64x2.mul(d2, d2));
    absolute = f64x2.add(absolute, size);
    roots = f64x2.add(roots, f64x2.sqrt(size));
  }
  let sum2 = total(second);
  let sum3 = total(third);
  let sum4 = total(fourth);
  let sumAbsolute = total(absolute);
  let sumRoot = total(roots);
  for (; at < end; at += 4) {
    const d = <f64>f32.load(at) - mean;
    const size = abs(d);
    sum2 += d * d;
    sum3 += d * d * d;
    sum4 += d * d * d * d;
    sumAbsolute += size;
    sumRoot += sqrt(size);
  }
  f64.store(out, sum);
  f64.store(out, <f64>low, 8);
  f64.store(out, <f64>high, 16);
  f64.store(out, sum2, 24);
  f64.store(out, sum3, 32);
  f64.store(out, sum4, 40);
  f64.store(out, sumAbsolute, 48);
  f64.store(out, sumRoot, 56);
}

/** Sums of e and e² of the squared magnitudes e of `count` interleaved complex float32: two float64 at `out`. */
export function magnitudeSums(numbers: usize, count: i32, out: usize): void {
  const end = numbers + ((<usize>count) << 3);
  const vectors = numbers + ((<usize>(count & ~3)) << 3);
  let sums = f64x2.splat(0);
  let squares = f64x2.splat(0);
  let at = numbers;
  for (; at < vectors; at += 32) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const re = i32x4.shuffle(a, b, 0, 2, 4, 6);
    const im = i32x4.shuffle(a, b, 1, 3, 5, 7);
    const e = f32x4.add(f32x4.mul(re, re), f32x4.mul(im, im));
    const low = f64x2.promote_low_f32x4(e);
    const high = f64x2.promote_low_f32x4(i32x4.shuffle(e, e, 2, 3, 0, 1));
    sums = f64x2.add(sums, f64x2.add(low, high));
    squares = f64x2.add(squares, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
  }
  let sum = total(sums);
  let sumOfSquares = total(squares);
  for (; at < end; at += 8) {
    const re = <f64>f32.load(at);
    const im = <f64>f32.load(at, 4);
    const e = re * re + im * im;
    sum += e;
    sumOfSquares += e * e;
  }
  f64.store(out, sum);
  f64.store(out, sumOfSquares, 8);
}

/**
 * Natural logarithm of two positive normal float64: x = 2^e m with m in [sqrt 1/2, sqrt 2), and
 * ln m = 2 (s + s³/3 + … + s¹⁷/17), s = (m - 1) / (m + 1). The rest of the series is below 4e-16.
 */
// @ts-ignore: decorator
@inline
function logarithm(x: v128): v128 {
  const rootHalf = i64x2.splat(0x3fe6a09e667f3bcd);
  const shifted = i64x2.sub(x, rootHalf);
  // To float64 without a conversion, which vectors lack: into the low digits of 1.5 * 2^52.
  const magic = i64x2.splat(0x4338000000000000);
  const exponent = f64x2.sub(
    i64x2.add(i64x2.shr_s(shifted, 52), magic),
    f64x2.splat(6755399441055744.0),
  );
  const mantissa = i64x2.add(v128.and(shifted, i64x2.splat(0x000fffffffffffff)), rootHalf);
  const one = f64x2.splat(1);
  const s = f64x2.div(f64x2.sub(mantissa, one), f64x2.add(mantissa, one));
  const q = f64x2.mul(s, s);
  let series = f64x2.add(f64x2.mul(q, f64x2.splat(1.0 / 17.0)), f64x2.splat(1.0 / 15.0));
  series = f64x2.add(f64x2.mul(series, q), f64x2.splat(1.0 / 13.0));
  series = f64x2.add(f64x2.mul(series, q), f64x2.splat(1.0 / 11.0));
  series = f64x2.add(f64x2.mul(series, q), f64x2.splat(1.0 / 9.0));
  series = f64x2.add(f64x2.mul(series, q), f64x2.splat(1.0 / 7.0));
  series = f64x2.add(f64x2.mul(series, q), f64x2.splat(1.0 / 5.0));
  series = f64x2.add(f64x2.mul(series, q), f64x2.splat(1.0 / 3.0));
  series = f64x2.add(f64x2.mul(f64x2.mul(series, q), s), s);
  return f64x2.add(
    f64x2.mul(exponent, f64x2.splat(0.6931471805599453)),
    f64x2.add(series, series),
  );
}

/** Sums of ln p and p ln p of p = value * scale, none below `least`, of `count` (even) float64: two at `out`. */
export function logSums(values: usize, count: i32, scale: f64, least: f64, out: usize): void {
  const end = values + ((<usize>count) << 3);
  const scales = f64x2.splat(scale);
  const floor = f64x2.splat(least);
  let logs = f64x2.splat(0);
  let weighted = f64x2.splat(0);
  for (; values < end; values += 16) {
    const p = f64x2.pmax(floor, f64x2.mul(v128.load(values), scales));
    const log = logarithm(p);
    logs = f64x2.add(logs, log);
    weighted = f64x2.add(weighted, f64x2.mul(p, log));
  }
  f64.store(out, total(logs));
  f64.store(out, total(weighted), 8);
}
