import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ComplexFft, loadFft, RealFft } from '#sm/features/fft.js';

/** Values by numpy in float64: scripts/reference/signals.py. */
const { transforms } = JSON.parse(
  readFileSync(new URL('../fixtures/reference/signals.json', import.meta.url), 'utf8'),
);
type Pair = [number, number];
interface TransformCase {
  length: number;
  bins: number[];
  real: Pair[];
  places: number[];
  complex: Pair[];
  inverse: Pair[];
}

/** The generator of reference.py. */
function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

const library = await loadFft();
/** The same library as an engine without SIMD sees it: pffft alone. */
const plain = {
  ...library,
  get HEAPF32() {
    return library.HEAPF32;
  },
};
delete plain.kernels;

const cases = transforms.cases as TransformCase[];

describe.each([
  ['the kernel', library],
  ['pffft', plain],
])('transforms by %s, against numpy', (_, pffft) => {
  it.each(cases)('of $length points', ({ length, bins, real, places, complex, inverse }) => {
    const samples = noise(length, transforms.seed);
    const fft = new RealFft(pffft, length);
    fft.data.set(samples);
    fft.forward();
    const packed = Float32Array.from(fft.data);
    const bin = (k: number): Pair => {
      if (k === 0) return [packed[0]!, 0];
      return k === length / 2 ? [packed[1]!, 0] : [packed[2 * k]!, packed[2 * k + 1]!];
    };
    // Of noise every bin is about as large as the root of the length: the error is taken against that.
    const scale = Math.sqrt(length / 12);
    const near = (ours: Pair, theirs: Pair) =>
      expect(Math.hypot(ours[0] - theirs[0], ours[1] - theirs[1]) / scale).toBeLessThan(2e-6);
    bins.forEach((k, i) => {
      near(bin(k), real[i]!);
    });
    // All bins at once: Parseval, and back again.
    let energy = packed[0]! ** 2 + packed[1]! ** 2;
    for (let i = 2; i < length; i++) energy += 2 * packed[i]! ** 2;
    const squares = samples.reduce((sum, x) => sum + x * x, 0);
    expect(Math.abs(energy / length / squares - 1)).toBeLessThan(1e-6);
    fft.inverse();
    expect(Math.max(...samples.map((x, i) => Math.abs(fft.data[i]! / length - x)))).toBeLessThan(1e-6);
    fft.close();

    const points = length / 2;
    const twice = new ComplexFft(pffft, points);
    const interleaved = Float32Array.from({ length }, (_, i) => samples[(i >> 1) + (i & 1) * points]!);
    for (const [direction, theirs] of [
      ['forward', complex],
      ['inverse', inverse],
    ] as const) {
      twice.data.set(interleaved);
      twice[direction]();
      places.forEach((k, i) => {
        near([twice.data[2 * k]!, twice.data[2 * k + 1]!], theirs[i]!);
      });
    }
    twice.close();
  });
});

it('keeps its numbers while other plans make the memory grow', () => {
  const fft = new RealFft(library, 1024);
  fft.data.set(noise(1024, 3));
  fft.forward();
  const before = Float32Array.from(fft.data);
  const others = Array.from({ length: 12 }, () => new RealFft(library, 262_144));
  expect(fft.data).toEqual(before);
  for (const other of [...others, fft]) other.close();
});

it('refuses a length without a transform', () => {
  for (const length of [0, 31, 33, 1001])
    expect(() => new RealFft(library, length)).toThrow(expect.objectContaining({ code: 'FFT_LENGTH' }));
});
