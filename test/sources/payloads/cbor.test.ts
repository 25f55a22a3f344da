import { encode } from 'cbor2';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, decoder } from './support.js';

// The second implementation is cbor2: what it writes must be read here as it was meant.

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const VALUE = { kind: 'cbor', value: '$', unit: 'g' };

describe('CBOR payloads', () => {
  // RFC 8949, Appendix A.
  it.each([
    ['00', 0],
    ['1b000000e8d4a51000', 1e12],
    ['1bffffffffffffffff', 2 ** 64],
    ['3bffffffffffffffff', -(2 ** 64)],
    ['c249010000000000000000', 2 ** 64],
    ['3903e7', -1000],
    ['f93c00', 1],
    ['f93e00', 1.5],
    ['f90001', 2 ** -24],
    ['fa47c35000', 100000],
    ['fb3ff199999999999a', 1.1],
    ['c48221196ab3', 273.15],
    ['c5822003', 1.5],
    ['d9d9f700', 0],
  ])('%s is %d', (bytes, expected) => {
    expect(decode(VALUE, hex(bytes)).readings[0]).toMatchObject({ value: expected, quality: 'good' });
  });

  it.each(['f97e00', 'f97c00', 'f6'])('%s is no measurement', (bytes) => {
    expect(decode(VALUE, hex(bytes)).readings[0]).toMatchObject({ quality: 'bad', reason: 'not-a-number' });
  });

  it('reads at paths what cbor2 writes, of any shape around it', () => {
    const property = fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: 0, max: 2 ** 45 }),
      (around, value, ts) => {
        const document = { ...around, data: [{ value: 'no' }, { value, around }], ts };
        const time = { path: '$.ts', unit: 'ms' };
        const config = { kind: 'cbor', value: '$.data[1].value', time, unit: 'g' };
        expect(decode(config, encode(document)).readings).toEqual([
          { point: 'p.x', timeMs: ts, value: value + 0, unit: 'g', quality: 'good' },
        ]);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it.each([Float32Array, Float64Array, Int8Array, Int16Array, Uint16Array, Int32Array, Uint32Array])(
    'reads a %o with its tag of RFC 8746',
    (Type) => {
      const property = fc.property(
        fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1 }),
        (numbers) => {
          const config = { kind: 'cbor', value: '$.x', sampleRatePath: '$.rate', unit: 'g', scale: 0.5 };
          const { blocks } = decode(config, encode({ rate: 12_800, x: Type.from(numbers) }));
          expect(blocks[0]).toMatchObject({ sampleRateHz: 12_800, quality: 'good' });
          expect([...blocks[0]!.samples]).toEqual(numbers.map((number) => number / 2));
        },
      );
      fc.assert(property, { numRuns: 50 });
    },
  );

  it('reads raw samples in a byte string, with number and start of the block', () => {
    const cbor = decoder({
      kind: 'cbor',
      value: '$.raw',
      encoding: 'int16le',
      sampleRateHz: 1000,
      sequencePath: '$.n',
      time: { path: '$.t', unit: 'us' },
      unit: 'g',
    });
    const send = (n: number) => {
      const raw = new Uint8Array(Int16Array.from([1, -2, 3]).buffer);
      const arrival = { timeMs: 1_750_000_000_000, repeated: false };
      return cbor.decode(encode({ raw, n, t: 1_750_000_000_000_000 + n * 3000 }), arrival);
    };
    expect(send(1).blocks[0]).toMatchObject({
      startTimeMs: 1_750_000_000_003,
      sequence: 1,
      samples: Float32Array.of(1, -2, 3),
    });
    expect(send(4)).toMatchObject({ lostBlocks: 2, gaps: 1 });
  });

  it('names integer keys by their digits, as SenML has them, and takes epoch times by their tag', () => {
    const record = new Map<number, unknown>([
      [0, 'temperature'],
      [2, 23.5],
      [6, new Date(1_750_000_000_500)],
    ]);
    const config = {
      kind: 'cbor',
      value: "$[0]['2']",
      time: { path: "$[0]['6']", unit: 's' },
      unit: 'degC',
    };
    expect(decode(config, encode([record])).readings[0]).toMatchObject({
      value: 23.5,
      timeMs: 1_750_000_000_500,
    });
  });

  it.each([
    ['nothing', ''],
    ['a cut text', '65616263'],
    ['two documents', '0000'],
    ['an array that promises four thousand million entries', '9affffffff00'],
    ['a byte string that promises more than there is', '5b000000ffffffffff00'],
    ['a hundred thousand nested arrays', '81'.repeat(100_000)],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decode(VALUE, hex(bytes))).toThrow(expect.objectContaining({ code: 'PAYLOAD_INVALID' }));
  });
});

describe('several values of one document', () => {
  const values = [
    { channel: 'temperature', path: '$.t', unit: 'degC', scale: 0.1 },
    { channel: 'current', path: '$.motor.i', unit: 'A', range: [0, 100] },
  ];
  it.each(['json', 'cbor'])('%s: one reading each, what is missing left out', (kind) => {
    const bytes = (document: unknown) =>
      kind === 'json' ? Buffer.from(JSON.stringify(document)) : encode(document);
    const config = { kind, values, time: { path: '$.ts', unit: 's' } };
    expect(decode(config, bytes({ t: 215, motor: { i: 200 }, ts: 1_750_000_000 })).readings).toEqual([
      { point: 'p.temperature', timeMs: 1_750_000_000_000, value: 21.5, unit: 'degC', quality: 'good' },
      {
        point: 'p.current',
        timeMs: 1_750_000_000_000,
        value: 200,
        unit: 'A',
        quality: 'bad',
        reason: 'out-of-range',
      },
    ]);
    expect(decode(config, bytes({ t: 215, ts: 1_750_000_000 })).readings).toHaveLength(1);
    expect(() => decode(config, bytes({ ts: 1_750_000_000 }))).toThrow(/none of the declared values/);
  });

  it('refuses keys that do not go together', () => {
    expect(() => decoder({ kind: 'json', values, value: '$.x', unit: 'g' })).toThrow();
    expect(() => decoder({ kind: 'json', values, unit: 'g' })).toThrow();
    expect(() => decoder({ kind: 'json', value: '$.x' })).toThrow();
    expect(() => decoder({ kind: 'json', value: '$.x', unit: 'g', encoding: 'int16le' })).toThrow();
    expect(() =>
      decoder({ kind: 'json', value: '$.x', unit: 'g', sampleRateHz: 1, sampleRatePath: '$.r' }),
    ).toThrow();
  });

  it('reads samples in base64 text, and refuses other text', () => {
    const config = { kind: 'json', value: '$.x', encoding: 'float32le', sampleRateHz: 10, unit: 'g' };
    const x = Buffer.from(Float32Array.of(1.5, -2).buffer).toString('base64');
    expect(decode(config, JSON.stringify({ x })).blocks[0]?.samples).toEqual(Float32Array.of(1.5, -2));
    expect(() => decode(config, '{"x":"?!*"}')).toThrow(/base64/);
    expect(() => decode(config, '{"x":"AAAA"}')).toThrow(/whole number/);
  });
});
