import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { type Columns, decodeChunk, encodeChunk } from '#sm/storage/codec/chunk.js';

const empty = { doubles: [], codes: [], texts: [] };
const times = (count: number, stepUs = 1_000_000) =>
  Float64Array.from({ length: count }, (_, index) => 1_700_000_000_000_000 + index * stepUs);
const chunkOf = (values: Float64Array, timesUs = times(values.length)): Columns => ({
  ...empty,
  timesUs,
  doubles: [values],
});
const bits = (values: Float64Array) => [...new BigUint64Array(values.slice().buffer)];

function expectSame(columns: Columns): Uint8Array {
  const bytes = encodeChunk(columns);
  const back = decodeChunk(bytes);
  expect(bits(back.timesUs)).toEqual(bits(columns.timesUs));
  expect(back.doubles.map(bits)).toEqual(columns.doubles.map(bits));
  expect(back.codes.map((column) => [...column])).toEqual(columns.codes.map((column) => [...column]));
  expect(back.texts).toEqual(columns.texts);
  return bytes;
}

/** Values of the kinds that sensors and their drivers make. */
const column = (length: number): fc.Arbitrary<Float64Array> => {
  const of = (one: fc.Arbitrary<number>) =>
    fc.array(one, { minLength: length, maxLength: length }).map((values) => Float64Array.from(values));
  const anyBits = fc
    .bigUint64Array({ minLength: length, maxLength: length })
    .map((words) => new Float64Array(words.slice().buffer));
  const integer = fc.integer({ min: -100_000, max: 100_000 });
  return fc.oneof(
    anyBits,
    of(fc.double()),
    of(fc.float()),
    of(integer),
    of(integer.map((i) => i / 1000)),
    of(integer.map((i) => i * 0.1)),
    of(integer.map((i) => Math.fround(i / 100))),
    of(fc.constantFrom(0.327927, -0.273216, 1e9, 0)),
    of(fc.oneof({ weight: 20, arbitrary: integer }, fc.constantFrom(Number.NaN, -0, Infinity, -Infinity))),
    of(fc.maxSafeInteger()),
    of(integer.map((i) => i * 2 ** -20)),
    of(fc.constant(21.5)),
  );
};

describe('a chunk', () => {
  it('gives back any columns bit for bit', () => {
    const any = fc.integer({ min: 0, max: 300 }).chain((length) =>
      fc.record({
        timesUs: fc
          .oneof(
            fc.array(fc.maxSafeInteger(), { minLength: length, maxLength: length }),
            fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: length, maxLength: length }),
          )
          .map((values) => Float64Array.from(values)),
        doubles: fc.array(column(length), { maxLength: 3 }),
        codes: fc.array(fc.uint8Array({ minLength: length, maxLength: length }), { maxLength: 2 }),
        texts: fc.array(
          fc.array(fc.option(fc.string({ unit: 'grapheme' })), { minLength: length, maxLength: length }),
          { maxLength: 2 },
        ),
      }),
    );
    fc.assert(
      fc.property(any, (columns) => void expectSame(columns)),
      { numRuns: 400 },
    );
  });

  it('keeps correlation ids of version 7 in little more than their chance bits', () => {
    const random = seededRandom(5);
    const hex = (digits: number) =>
      Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
    const ids = Array.from(
      { length: 500 },
      (_, i) => `0${(0x19000000000 + i * 640).toString(16)}`.padStart(12, '0') + hex(20),
    ).map((id) =>
      [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join('-'),
    );
    const bytes = expectSame({ ...empty, timesUs: times(500), texts: [ids] });
    expect(bytes.length / 500).toBeLessThan(11.5);
  });

  it('is small: steady times nothing, decimals what they vary, coarse converters less', () => {
    const random = seededRandom(1);
    const size = (of: (index: number) => number, stepUs?: number) =>
      expectSame(
        chunkOf(
          Float64Array.from({ length: 4096 }, (_, i) => of(i)),
          times(4096, stepUs),
        ),
      ).length / 4096;
    expect(size(() => 21.5)).toBeLessThan(0.025);
    let temperature = 210;
    const drifting = () => {
      temperature += Math.round(random() * 2 - 1);
      return temperature / 10;
    };
    expect(size(drifting)).toBeLessThan(0.5);
    expect(size(() => Math.round(random() * 4) * 0.327927 - 0.273216)).toBeLessThan(0.6);
    expect(size((i) => Math.fround(Math.sin(i / 100) + random() / 100))).toBeLessThan(4.5);
  });

  it('does not accept bytes that were changed, whichever', () => {
    const bytes = encodeChunk(chunkOf(Float64Array.from({ length: 100 }, (_, i) => i / 7)));
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ 0x40;
      expect(() => decodeChunk(damaged)).toThrow(expect.objectContaining({ code: 'STORE_CHUNK' }));
    }
    for (const length of [0, 1, 5, 20, bytes.length - 1])
      expect(() => decodeChunk(bytes.subarray(0, length))).toThrow();
  });
});
