import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '#sm/storage/codec/bytes.js';
import { extremes, largestTriangles } from '#sm/storage/rollups/downsample.js';
import { mergeSketches, quantile, readSketch, sketchOf, writeSketch } from '#sm/storage/rollups/sketch.js';

const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }),
  fc.integer({ min: -500, max: 500 }).map((i) => 150 + i / 1000),
  fc.constantFrom(0, 1e-310, 5),
);
const values = fc.array(value, { minLength: 1, maxLength: 200 }).map((list) => Float64Array.from(list));
const sorted = (list: Float64Array) => list.slice().sort();

describe('a sketch', () => {
  it('is the same whatever parts it was merged from, in whatever order', () => {
    fc.assert(
      fc.property(values, values, values, fc.constantFrom(4, 8, 64), (a, b, c, bins) => {
        const [one, two, three] = [a, b, c].map((part) => sketchOf(sorted(part), bins));
        const whole = sketchOf(sorted(Float64Array.from([...a, ...b, ...c])), bins);
        expect(mergeSketches(mergeSketches(one!, two!, bins), three!, bins)).toEqual(whole);
        expect(mergeSketches(three!, mergeSketches(two!, one!, bins), bins)).toEqual(whole);
        expect(whole.bins.length).toBeLessThanOrEqual(bins);
      }),
    );
  });

  it('has every quantile within a bin of the true one', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
        const all = sorted(list);
        const sketch = sketchOf(all, 32);
        const rank = q * (all.length - 1);
        const [low, high] = [all[Math.floor(rank)]!, all[Math.ceil(rank)]!];
        const width = 2 ** sketch.exponent;
        const got = quantile(sketch, q, all[0]!, all.at(-1)!);
        expect(got).toBeGreaterThanOrEqual(low - width * 1.001 - Math.abs(low) * 1e-15);
        expect(got).toBeLessThanOrEqual(high + width * 1.001 + Math.abs(high) * 1e-15);
      }),
    );
  });

  it('comes back from its bytes', () => {
    fc.assert(
      fc.property(values, (list) => {
        const sketch = sketchOf(sorted(list), 32);
        const out = new ByteWriter();
        writeSketch(out, sketch);
        const back = readSketch(new ByteReader(out.finish()));
        expect(back.exponent).toBe(sketch.exponent);
        expect(back.counts).toEqual(sketch.counts);
        expect(back.bins.map((bin) => bin + 0)).toEqual(sketch.bins.map((bin) => bin + 0));
      }),
    );
  });
});

describe('fewer points for a plot', () => {
  const line = (length: number) => ({
    timesUs: Float64Array.from({ length }, (_, i) => i * 1_000),
    values: Float64Array.from({ length }, (_, i) =>
      i === 7_777 ? 50 : i === 3_333 ? Number.NaN : Math.sin(i / 500),
    ),
  });

  it.each([
    ['largest triangles', largestTriangles],
    ['extremes', extremes],
  ])('%s: no more than asked for, in order, the ends and the peak among them, no gap', (_, choose) => {
    const { timesUs, values: chosen } = choose(line(20_000), 200);
    expect(timesUs.length).toBeLessThanOrEqual(200);
    expect(timesUs.length).toBeGreaterThan(150);
    expect([...timesUs]).toEqual([...timesUs].sort((a, b) => a - b));
    expect([timesUs[0], timesUs.at(-1)]).toEqual([0, 19_999_000]);
    expect(Math.max(...chosen)).toBe(50);
    expect(chosen.some(Number.isNaN)).toBe(false);
  });

  it('leaves what is short as it is', () => {
    const short = { timesUs: Float64Array.of(1, 2, 3), values: Float64Array.of(4, 5, 6) };
    expect(largestTriangles(short, 3)).toEqual(short);
    expect(extremes(short, 10)).toEqual(short);
  });
});
