/**
 * Fourier transforms of a power of two in float32, with 128-bit vectors.
 *
 * A transform of M complex points is four of M/4, side by side in the four lanes: the first pass (radix 4, decimation
 * in frequency) splits them and turns 4x4 blocks, so that lane k of element m is point 4m + k of the result. Between
 * lie Stockham's passes (radix 4, the last one 4 or 8) over whole elements: they sort as they go, no reversal of bits
 * is left. A real transform of N points is one of N/2 whose results are taken apart in a last pass.
 * Sources: Stockham 1966; van Loan, Computational Frameworks for the FFT, 1992, 1.7 and 4.3.
 *
 * An element is 32 bytes: four real parts, four imaginary parts. Every pointer is 16-byte aligned.
 * Tables, in this order (src/features/fft-tables.ts writes them):
 *   first pass: for every 4 points, w, w², w³, four real and four imaginary parts each: 24 floats;
 *   each pass but the last: for every group w, w², w³, real and imaginary part: 6 floats;
 *   real transforms: for every 4 bins to M/2, four real and four imaginary parts of -i/2 e^(-2πik/N): 8 floats.
 */

const ELEMENT: usize = 32;

// @ts-ignore: decorator
@inline
function even(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 2, 4, 6);
}

// @ts-ignore: decorator
@inline
function odd(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 1, 3, 5, 7);
}

// @ts-ignore: decorator
@inline
function lowPairs(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5);
}

// @ts-ignore: decorator
@inline
function highPairs(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7);
}

// @ts-ignore: decorator
@inline
function lowHalves(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 1, 4, 5);
}

// @ts-ignore: decorator
@inline
function highHalves(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 3, 6, 7);
}

// @ts-ignore: decorator
@inline
function productRe(re: v128, im: v128, wRe: v128, wIm: v128): v128 {
  return f32x4.sub(f32x4.mul(re, wRe), f32x4.mul(im, wIm));
}

// @ts-ignore: decorator
@inline
function productIm(re: v128, im: v128, wRe: v128, wIm: v128): v128 {
  return f32x4.add(f32x4.mul(re, wIm), f32x4.mul(im, wRe));
}

/** Stores the columns of the rows a, b, c, d at `out` and one element on, each. */
// @ts-ignore: decorator
@inline
function storeTurned(out: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = lowPairs(a, b);
  const cd0 = lowPairs(c, d);
  const ab1 = highPairs(a, b);
  const cd1 = highPairs(c, d);
  v128.store(out, lowHalves(ab0, cd0));
  v128.store(out, highHalves(ab0, cd0), 32);
  v128.store(out, lowHalves(ab1, cd1), 64);
  v128.store(out, highHalves(ab1, cd1), 96);
}

// @ts-ignore: decorator
@inline
function weighted(at: usize, weights: usize, windowed: bool): v128 {
  return windowed ? f32x4.mul(v128.load(at), v128.load(at + weights)) : v128.load(at);
}

/**
 * From M interleaved complex numbers to M/4 elements. `swapped`: the imaginary part counts as the real one.
 * `windowed`: each float is multiplied by that at `window` on; `x` need not be aligned then.
 */
// @ts-ignore: decorator
@inline
function firstPass(
  x: usize,
  y: usize,
  table: usize,
  points: i32,
  swapped: bool,
  windowed: bool,
  window: usize,
): void {
  const weights = window - x;
  const quarter: usize = (<usize>points) << 1; // bytes of points / 4
  const end = x + quarter;
  while (x < end) {
    const xb = x + quarter;
    const xc = xb + quarter;
    const xd = xc + quarter;
    const a0 = weighted(x, weights, windowed);
    const a1 = weighted(x + 16, weights, windowed);
    const c0 = weighted(xc, weights, windowed);
    const c1 = weighted(xc + 16, weights, windowed);
    const b0 = weighted(xb, weights, windowed);
    const b1 = weighted(xb + 16, weights, windowed);
    const d0 = weighted(xd, weights, windowed);
    const d1 = weighted(xd + 16, weights, windowed);
    const aRe = swapped ? odd(a0, a1) : even(a0, a1);
    const aIm = swapped ? even(a0, a1) : odd(a0, a1);
    const cRe = swapped ? odd(c0, c1) : even(c0, c1);
    const cIm = swapped ? even(c0, c1) : odd(c0, c1);
    const bRe = swapped ? odd(b0, b1) : even(b0, b1);
    const bIm = swapped ? even(b0, b1) : odd(b0, b1);
    const dRe = swapped ? odd(d0, d1) : even(d0, d1);
    const dIm = swapped ? even(d0, d1) : odd(d0, d1);

    const acRe = f32x4.add(aRe, cRe);
    const acIm = f32x4.add(aIm, cIm);
    const bdRe = f32x4.add(bRe, dRe);
    const bdIm = f32x4.add(bIm, dIm);
    const e0 = f32x4.add(acRe, bdRe);
    const e1 = f32x4.add(acIm, bdIm);
    const e2 = f32x4.sub(acRe, bdRe);
    const e3 = f32x4.sub(acIm, bdIm);
    const fRe = f32x4.sub(aRe, cRe);
    const fIm = f32x4.sub(aIm, cIm);
    const gRe = f32x4.sub(bIm, dIm);
    const gIm = f32x4.sub(dRe, bRe);
    const h0 = f32x4.add(fRe, gRe);
    const h1 = f32x4.add(fIm, gIm);
    const h2 = f32x4.sub(fRe, gRe);
    const h3 = f32x4.sub(fIm, gIm);

    const w1Re = v128.load(table);
    const w1Im = v128.load(table, 16);
    const w2Re = v128.load(table, 32);
    const w2Im = v128.load(table, 48);
    const w3Re = v128.load(table, 64);
    const w3Im = v128.load(table, 80);
    storeTurned(
      y,
      e0,
      productRe(h0, h1, w1Re, w1Im),
      productRe(e2, e3, w2Re, w2Im),
      productRe(h2, h3, w3Re, w3Im),
    );
    storeTurned(
      y + 16,
      e1,
      productIm(h0, h1, w1Re, w1Im),
      productIm(e2, e3, w2Re, w2Im),
      productIm(h2, h3, w3Re, w3Im),
    );
    table += 96;
    x += 32;
    y += 128;
  }
}

/** One butterfly of radix 4: elements `apart` from each other, results times 1, w, w², w³ at places `step` apart. */
// @ts-ignore: decorator
@inline
function butterfly4(
  x: usize,
  apart: usize,
  y: usize,
  step: usize,
  w1Re: v128,
  w1Im: v128,
  w2Re: v128,
  w2Im: v128,
  w3Re: v128,
  w3Im: v128,
): void {
  const xb = x + apart;
  const xc = xb + apart;
  const xd = xc + apart;
  const aRe = v128.load(x);
  const cRe = v128.load(xc);
  const aIm = v128.load(x, 16);
  const cIm = v128.load(xc, 16);
  const bRe = v128.load(xb);
  const dRe = v128.load(xd);
  const bIm = v128.load(xb, 16);
  const dIm = v128.load(xd, 16);
  const yb = y + step;
  const yc = yb + step;
  const yd = yc + step;
  const acRe = f32x4.add(aRe, cRe);
  const bdRe = f32x4.add(bRe, dRe);
  const acIm = f32x4.add(aIm, cIm);
  const bdIm = f32x4.add(bIm, dIm);
  v128.store(y, f32x4.add(acRe, bdRe));
  v128.store(y, f32x4.add(acIm, bdIm), 16);
  const e2 = f32x4.sub(acRe, bdRe);
  const e3 = f32x4.sub(acIm, bdIm);
  v128.store(yc, productRe(e2, e3, w2Re, w2Im));
  v128.store(yc, productIm(e2, e3, w2Re, w2Im), 16);
  const fRe = f32x4.sub(aRe, cRe);
  const gRe = f32x4.sub(bIm, dIm);
  const fIm = f32x4.sub(aIm, cIm);
  const gIm = f32x4.sub(dRe, bRe);
  const h0 = f32x4.add(fRe, gRe);
  const h1 = f32x4.add(fIm, gIm);
  v128.store(yb, productRe(h0, h1, w1Re, w1Im));
  v128.store(yb, productIm(h0, h1, w1Re, w1Im), 16);
  const h2 = f32x4.sub(fRe, gRe);
  const h3 = f32x4.sub(fIm, gIm);
  v128.store(yd, productRe(h2, h3, w3Re, w3Im));
  v128.store(yd, productIm(h2, h3, w3Re, w3Im), 16);
}

/** Radix 4: `groups` of `stride` elements each, from four places `groups * stride` apart. */
function pass4(x: usize, y: usize, table: usize, groups: i32, stride: i32): void {
  const apart: usize = (<usize>(groups * stride)) << 5;
  const step: usize = (<usize>stride) << 5;
  const end = x + apart;
  if (stride == 1) {
    while (x < end) {
      butterfly4(
        x,
        apart,
        y,
        ELEMENT,
        v128.load_splat<f32>(table),
        v128.load_splat<f32>(table, 4),
        v128.load_splat<f32>(table, 8),
        v128.load_splat<f32>(table, 12),
        v128.load_splat<f32>(table, 16),
        v128.load_splat<f32>(table, 20),
      );
      table += 24;
      x += ELEMENT;
      y += 4 * ELEMENT;
    }
    return;
  }
  while (x < end) {
    const w1Re = v128.load_splat<f32>(table);
    const w1Im = v128.load_splat<f32>(table, 4);
    const w2Re = v128.load_splat<f32>(table, 8);
    const w2Im = v128.load_splat<f32>(table, 12);
    const w3Re = v128.load_splat<f32>(table, 16);
    const w3Im = v128.load_splat<f32>(table, 20);
    table += 24;
    const groupEnd = x + step;
    do {
      butterfly4(x, apart, y, step, w1Re, w1Im, w2Re, w2Im, w3Re, w3Im);
      butterfly4(x + ELEMENT, apart, y + ELEMENT, step, w1Re, w1Im, w2Re, w2Im, w3Re, w3Im);
      x += 2 * ELEMENT;
      y += 2 * ELEMENT;
    } while (x < groupEnd);
    y += 3 * step;
  }
}

/** The last pass where 4 is left of the length: no twiddles. */
function last4(x: usize, y: usize, stride: i32): void {
  const step: usize = (<usize>stride) << 5;
  const step2 = step << 1;
  const step3 = step2 + step;
  const end = x + step;
  while (x < end) {
    const aRe = v128.load(x);
    const aIm = v128.load(x, 16);
    const bRe = v128.load(x + step);
    const bIm = v128.load(x + step, 16);
    const cRe = v128.load(x + step2);
    const cIm = v128.load(x + step2, 16);
    const dRe = v128.load(x + step3);
    const dIm = v128.load(x + step3, 16);
    const acRe = f32x4.add(aRe, cRe);
    const acIm = f32x4.add(aIm, cIm);
    const bdRe = f32x4.add(bRe, dRe);
    const bdIm = f32x4.add(bIm, dIm);
    const fRe = f32x4.sub(aRe, cRe);
    const fIm = f32x4.sub(aIm, cIm);
    const gRe = f32x4.sub(bIm, dIm);
    const gIm = f32x4.sub(dRe, bRe);
    v128.store(y, f32x4.add(acRe, bdRe));
    v128.store(y, f32x4.add(acIm, bdIm), 16);
    v128.store(y + step, f32x4.add(fRe, gRe));
    v128.store(y + step, f32x4.add(fIm, gIm), 16);
    v128.store(y + step2, f32x4.sub(acRe, bdRe));
    v128.store(y + step2, f32x4.sub(acIm, bdIm), 16);
    v128.store(y + step3, f32x4.sub(fRe, gRe));
    v128.store(y + step3, f32x4.sub(fIm, gIm), 16);
    x += ELEMENT;
    y += ELEMENT;
  }
}

/** The last pass where 8 is left of the length. */
function last8(x: usize, y: usize, stride: i32): void {
  const step: usize = (<usize>stride) << 5;
  const step2 = step << 1;
  const step4 = step << 2;
  const end = x + step;
  const root = f32x4.splat(<f32>0.7071067811865476);
  while (x < end) {
    const x1 = x + step;
    const x2 = x + step2;
    const x3 = x1 + step2;
    const y1 = y + step;
    const y2 = y + step2;
    const y3 = y1 + step2;
    // The odd points: e = a1 - a5, and so on.
    let p = v128.load(x1);
    let q = v128.load(x1 + step4);
    const s15Re = f32x4.add(p, q);
    const d15Re = f32x4.sub(p, q);
    p = v128.load(x1, 16);
    q = v128.load(x1 + step4, 16);
    const s15Im = f32x4.add(p, q);
    const d15Im = f32x4.sub(p, q);
    p = v128.load(x3);
    q = v128.load(x3 + step4);
    const s37Re = f32x4.add(p, q);
    const d37Re = f32x4.sub(p, q);
    p = v128.load(x3, 16);
    q = v128.load(x3 + step4, 16);
    const s37Im = f32x4.add(p, q);
    const d37Im = f32x4.sub(p, q);
    const gRe = f32x4.add(d15Re, d37Im);
    const gIm = f32x4.sub(d15Im, d37Re);
    const hRe = f32x4.sub(d15Re, d37Im);
    const hIm = f32x4.add(d15Im, d37Re);
    const wgRe = f32x4.mul(root, f32x4.add(gRe, gIm));
    const wgIm = f32x4.mul(root, f32x4.sub(gIm, gRe));
    const whRe = f32x4.mul(root, f32x4.sub(hIm, hRe));
    const whIm = f32x4.mul(root, f32x4.add(hRe, hIm)); // subtracted below
    const oddRe = f32x4.add(s15Re, s37Re);
    const oddIm = f32x4.add(s15Im, s37Im);
    const turnRe = f32x4.sub(s15Im, s37Im);
    const turnIm = f32x4.sub(s37Re, s15Re);

    p = v128.load(x);
    q = v128.load(x + step4);
    const s04Re = f32x4.add(p, q);
    const d04Re = f32x4.sub(p, q);
    p = v128.load(x, 16);
    q = v128.load(x + step4, 16);
    const s04Im = f32x4.add(p, q);
    const d04Im = f32x4.sub(p, q);
    p = v128.load(x2);
    q = v128.load(x2 + step4);
    const s26Re = f32x4.add(p, q);
    const d26Re = f32x4.sub(p, q);
    p = v128.load(x2, 16);
    q = v128.load(x2 + step4, 16);
    const s26Im = f32x4.add(p, q);
    const d26Im = f32x4.sub(p, q);
    let re = f32x4.add(s04Re, s26Re);
    let im = f32x4.add(s04Im, s26Im);
    v128.store(y, f32x4.add(re, oddRe));
    v128.store(y, f32x4.add(im, oddIm), 16);
    v128.store(y + step4, f32x4.sub(re, oddRe));
    v128.store(y + step4, f32x4.sub(im, oddIm), 16);
    re = f32x4.sub(s04Re, s26Re);
    im = f32x4.sub(s04Im, s26Im);
    v128.store(y2, f32x4.add(re, turnRe));
    v128.store(y2, f32x4.add(im, turnIm), 16);
    v128.store(y2 + step4, f32x4.sub(re, turnRe));
    v128.store(y2 + step4, f32x4.sub(im, turnIm), 16);
    re = f32x4.add(d04Re, d26Im);
    im = f32x4.sub(d04Im, d26Re);
    v128.store(y1, f32x4.add(re, wgRe));
    v128.store(y1, f32x4.add(im, wgIm), 16);
    v128.store(y1 + step4, f32x4.sub(re, wgRe));
    v128.store(y1 + step4, f32x4.sub(im, wgIm), 16);
    re = f32x4.sub(d04Re, d26Im);
    im = f32x4.add(d04Im, d26Re);
    v128.store(y3, f32x4.add(re, whRe));
    v128.store(y3, f32x4.sub(im, whIm), 16);
    v128.store(y3 + step4, f32x4.sub(re, whRe));
    v128.store(y3 + step4, f32x4.add(im, whIm), 16);
    x += ELEMENT;
    y += ELEMENT;
  }
}

/** Transforms the elements in `from`, using `to` as well; true where the result is in `to`. */
function stockham(from: usize, to: usize, table: usize, elements: i32): bool {
  let length = elements;
  let stride = 1;
  let moved = false;
  while (length > 8) {
    const groups = length >> 2;
    pass4(from, to, table, groups, stride);
    table += <usize>(groups * 24);
    length = groups;
    stride <<= 2;
    const other = from;
    from = to;
    to = other;
    moved = !moved;
  }
  if (length == 8) last8(from, to, stride);
  else last4(from, to, stride);
  return !moved;
}

/** Bytes of the tables of the passes between the first and the last. */
function passTableBytes(elements: i32): usize {
  let groups = 0;
  for (let length = elements; length > 8; length >>= 2) groups += length >> 2;
  return <usize>(groups * 24);
}

/**
 * Results of a real transform from those of half the length, in `z`: bin 0 and bin N/2 as the first pair of `out`,
 * then real and imaginary part of each bin. `out` may be `z`.
 */
function takeApart(z: usize, out: usize, table: usize, points: i32): void {
  const half = f32x4.splat(0.5);
  let low = z;
  let lowOut = out;
  let high = z + ((<usize>points) << 3);
  let highOut = out + ((<usize>points) << 3) - 24;
  // The element above: of it, lane 0 only. Point M is point 0 again.
  let aboveRe = v128.load(z);
  let aboveIm = v128.load(z, 16);
  const sum = f32x4.extract_lane(aboveRe, 0) + f32x4.extract_lane(aboveIm, 0);
  const difference = f32x4.extract_lane(aboveRe, 0) - f32x4.extract_lane(aboveIm, 0);
  while (low < high) {
    high -= ELEMENT;
    const aRe = v128.load(low);
    const aIm = v128.load(low, 16);
    const prevRe = v128.load(high);
    const prevIm = v128.load(high, 16);
    const bRe = i32x4.shuffle(aboveRe, prevRe, 0, 7, 6, 5);
    const bIm = i32x4.shuffle(aboveIm, prevIm, 0, 7, 6, 5);
    aboveRe = prevRe;
    aboveIm = prevIm;
    const wRe = v128.load(table);
    const wIm = v128.load(table, 16);
    const evenRe = f32x4.mul(half, f32x4.add(aRe, bRe));
    const evenIm = f32x4.mul(half, f32x4.sub(aIm, bIm));
    const dRe = f32x4.sub(aRe, bRe);
    const dIm = f32x4.add(aIm, bIm);
    const oddRe = productRe(dRe, dIm, wRe, wIm);
    const oddIm = productIm(dRe, dIm, wRe, wIm);
    const re = f32x4.add(evenRe, oddRe);
    const im = f32x4.add(evenIm, oddIm);
    const re2 = f32x4.sub(evenRe, oddRe);
    const im2 = f32x4.sub(oddIm, evenIm);
    const r0 = lowPairs(re2, im2);
    const r1 = highPairs(re2, im2);
    v128.store(lowOut, lowPairs(re, im));
    v128.store(lowOut, highPairs(re, im), 16);
    // Of the first four the partner of bin 0 is no bin: it lies behind the end, where nothing may be written.
    if (lowOut != out) v128.store(highOut, i32x4.shuffle(r0, r0, 2, 3, 0, 1), 16);
    else v128.store64_lane(highOut, r0, 1, 16);
    v128.store(highOut, i32x4.shuffle(r1, r1, 2, 3, 0, 1));
    table += 32;
    low += ELEMENT;
    lowOut += 32;
    highOut -= 32;
  }
  // The bin in the middle is the conjugate of itself.
  const middle = out + ((<usize>points) << 2);
  f32.store(middle, f32x4.extract_lane(aboveRe, 0));
  f32.store(middle, -f32x4.extract_lane(aboveIm, 0), 4);
  f32.store(out, sum);
  f32.store(out, difference, 4);
}

/** As `takeApart`, but only re² + im² of each bin, from 0 to `points`, in ascending order. */
function takeApartPower(z: usize, power: usize, table: usize, points: i32): void {
  const half = f32x4.splat(0.5);
  let low = z;
  let high = z + ((<usize>points) << 3);
  let lowOut = power;
  let highOut = power + ((<usize>points) << 2) - 12;
  let aboveRe = v128.load(z);
  let aboveIm = v128.load(z, 16);
  while (low < high) {
    high -= ELEMENT;
    const aRe = v128.load(low);
    const aIm = v128.load(low, 16);
    const prevRe = v128.load(high);
    const prevIm = v128.load(high, 16);
    const bRe = i32x4.shuffle(aboveRe, prevRe, 0, 7, 6, 5);
    const bIm = i32x4.shuffle(aboveIm, prevIm, 0, 7, 6, 5);
    aboveRe = prevRe;
    aboveIm = prevIm;
    const wRe = v128.load(table);
    const wIm = v128.load(table, 16);
    const evenRe = f32x4.mul(half, f32x4.add(aRe, bRe));
    const evenIm = f32x4.mul(half, f32x4.sub(aIm, bIm));
    const dRe = f32x4.sub(aRe, bRe);
    const dIm = f32x4.add(aIm, bIm);
    const oddRe = productRe(dRe, dIm, wRe, wIm);
    const oddIm = productIm(dRe, dIm, wRe, wIm);
    v128.store(lowOut, squared(f32x4.add(evenRe, oddRe), f32x4.add(evenIm, oddIm)));
    const mirrored = squared(f32x4.sub(evenRe, oddRe), f32x4.sub(oddIm, evenIm));
    v128.store(highOut, i32x4.shuffle(mirrored, mirrored, 3, 2, 1, 0));
    table += 32;
    low += ELEMENT;
    lowOut += 16;
    highOut -= 16;
  }
  const re = f32x4.extract_lane(aboveRe, 0);
  const im = f32x4.extract_lane(aboveIm, 0);
  f32.store(power + ((<usize>points) << 1), re * re + im * im);
}

// @ts-ignore: decorator
@inline
function squared(re: v128, im: v128): v128 {
  return f32x4.add(f32x4.mul(re, re), f32x4.mul(im, im));
}

/** Power of each bin, 0 to length / 2, of `length` real samples times their window; `data` and `work` are room for it. */
export function powerOfReal(
  samples: usize,
  window: usize,
  data: usize,
  work: usize,
  table: usize,
  power: usize,
  length: i32,
): void {
  const points = length >> 1;
  const elements = points >> 2;
  const passes = table + <usize>(elements * 24);
  firstPass(samples, work, table, points, false, true, window);
  const z = stockham(work, data, passes, elements) ? data : work;
  takeApartPower(z, power, passes + passTableBytes(elements), points);
}

/** In `data`: `length` real samples before, their spectrum after. `work` has room for as many. */
export function realForward(data: usize, work: usize, table: usize, length: i32): void {
  const points = length >> 1;
  const elements = points >> 2;
  const passes = table + <usize>(elements * 24);
  firstPass(data, work, table, points, false, false, 0);
  const moved = stockham(work, data, passes, elements);
  takeApart(moved ? data : work, data, passes + passTableBytes(elements), points);
}

/** In `data`: `points` complex numbers before, their transform after. */
export function complexTransform(data: usize, work: usize, table: usize, points: i32, inverse: bool): void {
  const elements = points >> 2;
  const passes = table + <usize>(elements * 24);
  // The inverse is the transform with real and imaginary parts exchanged, before and after.
  if (inverse) firstPass(data, work, table, points, true, false, 0);
  else firstPass(data, work, table, points, false, false, 0);
  let from = stockham(work, data, passes, elements) ? data : work;
  const end = from + ((<usize>points) << 3);
  let out = data;
  while (from < end) {
    const re = v128.load(from);
    const im = v128.load(from, 16);
    v128.store(out, inverse ? lowPairs(im, re) : lowPairs(re, im));
    v128.store(out, inverse ? highPairs(im, re) : highPairs(re, im), 16);
    from += ELEMENT;
    out += 32;
  }
}
