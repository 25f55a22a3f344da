import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmEdgeError } from '#sm/base/errors.js';
import { createDecoder, payloadSchema } from '#sm/sources/payloads/index.js';
import type { Arrival, Decoded } from '#sm/sources/payloads/payload.js';
import { SAMPLE_ENCODINGS, type SampleEncoding } from '#sm/sources/payloads/sample-encoding.js';

const ARRIVAL: Arrival = { timeMs: 1_750_000_000_000, repeated: false };

const decoder = (config: Record<string, unknown>) =>
  createDecoder(payloadSchema.parse(config), (channel) => (channel === '' ? 'p.x' : `p.${channel}`));

const decode = (config: Record<string, unknown>, payload: Uint8Array | string): Decoded =>
  decoder(config).decode(typeof payload === 'string' ? Buffer.from(payload) : payload, ARRIVAL);

/** The second implementation: Node's Buffer, one sample at a time. */
const REFERENCE: Record<
  SampleEncoding,
  readonly [bytes: number, write: (b: Buffer, v: number, at: number) => void]
> = {
  uint8: [1, (b, v, at) => b.writeUInt8(v, at)],
  int8: [1, (b, v, at) => b.writeInt8(v, at)],
  uint16le: [2, (b, v, at) => b.writeUInt16LE(v, at)],
  uint16be: [2, (b, v, at) => b.writeUInt16BE(v, at)],
  int16le: [2, (b, v, at) => b.writeInt16LE(v, at)],
  int16be: [2, (b, v, at) => b.writeInt16BE(v, at)],
  int24le: [3, (b, v, at) => b.writeIntLE(v, at, 3)],
  int24be: [3, (b, v, at) => b.writeIntBE(v, at, 3)],
  int32le: [4, (b, v, at) => b.writeInt32LE(v, at)],
  int32be: [4, (b, v, at) => b.writeInt32BE(v, at)],
  float32le: [4, (b, v, at) => b.writeFloatLE(v, at)],
  float32be: [4, (b, v, at) => b.writeFloatBE(v, at)],
  float64le: [8, (b, v, at) => b.writeDoubleLE(v, at)],
  float64be: [8, (b, v, at) => b.writeDoubleBE(v, at)],
};

function values(encoding: SampleEncoding): fc.Arbitrary<number> {
  if (encoding.startsWith('float')) return fc.float({ noNaN: true, noDefaultInfinity: true });
  const bits = REFERENCE[encoding][0] * 8;
  return encoding.startsWith('u')
    ? fc.integer({ min: 0, max: 2 ** bits - 1 })
    : fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
}

describe('waveform payloads', () => {
  it.each(SAMPLE_ENCODINGS)('%s: reads what Buffer writes, in every layout', (encoding) => {
    const [bytes, write] = REFERENCE[encoding];
    const property = fc.property(
      fc.integer({ min: 1, max: 4 }).chain((channels) =>
        fc.tuple(
          fc.constant(channels),
          fc.array(fc.array(values(encoding), { minLength: channels, maxLength: channels }), {
            minLength: 1,
            maxLength: 50,
          }),
        ),
      ),
      fc.constantFrom('interleaved', 'planar'),
      fc.integer({ min: 0, max: 9 }),
      ([channels, frames], layout, header) => {
        const payload = Buffer.alloc(header + frames.length * channels * bytes);
        frames.forEach((frame, i) => {
          frame.forEach((value, channel) => {
            const index = layout === 'planar' ? channel * frames.length + i : i * channels + channel;
            write(payload, value, header + index * bytes);
          });
        });
        const { blocks } = decode(
          {
            kind: 'waveform',
            encoding,
            sampleRateHz: 1000,
            unit: 'g',
            layout,
            channels: Array.from({ length: channels }, (_, i) => `c${i}`),
            ...(header === 0 ? {} : { header: { bytes: header } }),
          },
          payload,
        );
        expect(blocks.map(({ point }) => point)).toEqual(
          Array.from({ length: channels }, (_, i) => `p.c${i}`),
        );
        blocks.forEach(({ samples, quality }, channel) => {
          // Minus zero and zero are the same sample.
          expect(samples.map((sample) => sample + 0)).toEqual(
            Float32Array.from(frames, (frame) => frame[channel]! + 0),
          );
          expect(quality).toBe('good');
        });
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it('scales by scale and offset, or by full scale', () => {
    const payload = Buffer.alloc(4);
    payload.writeInt16LE(-16_384, 0);
    payload.writeInt16LE(8_192, 2);
    const base = { kind: 'waveform', encoding: 'int16le', sampleRateHz: 1000, unit: 'g' };
    expect(decode({ ...base, fullScale: 8 }, payload).blocks[0]?.samples).toEqual(new Float32Array([-4, 2]));
    expect(decode({ ...base, scale: 0.001, offset: 1 }, payload).blocks[0]?.samples).toEqual(
      new Float32Array([-15.384, 9.192]),
    );
  });

  it('reads sequence, start time, rate and count from the header', () => {
    const header = {
      bytes: 24,
      sequence: { offset: 0, type: 'uint32be' },
      startTime: { offset: 4, type: 'uint64le', unit: 'ns' },
      sampleRateHz: { offset: 12, type: 'float64le' },
      samples: { offset: 20, type: 'uint16le' },
    };
    const payload = Buffer.alloc(24 + 3 * 4);
    payload.writeUInt32BE(77, 0);
    payload.writeBigUInt64LE(1_750_000_000_123_456_789n, 4);
    payload.writeDoubleLE(51_200, 12);
    payload.writeUInt16LE(3, 20);
    for (const [i, value] of [1, 2, 3].entries()) payload.writeFloatLE(value, 24 + 4 * i);
    const config = { kind: 'waveform', unit: 'g', header };
    const { blocks } = decode(config, payload);
    expect(blocks).toEqual([
      {
        point: 'p.x',
        startTimeMs: expect.closeTo(1_750_000_000_123.456, 2),
        sampleRateHz: 51_200,
        unit: 'g',
        samples: new Float32Array([1, 2, 3]),
        sequence: 77,
        quality: 'good',
      },
    ]);
    payload.writeUInt16LE(4, 20);
    expect(() => decode(config, payload)).toThrow(/truncated/);
  });

  it('marks a block with samples that are no numbers', () => {
    const samples = new Float32Array([1, Number.NaN, 3]);
    const { blocks } = decode(
      { kind: 'waveform', sampleRateHz: 1000, unit: 'g' },
      Buffer.from(samples.buffer),
    );
    expect(blocks[0]).toMatchObject({ quality: 'bad', reason: 'not-a-number' });
  });

  it.each([
    ['nothing', Buffer.alloc(0), {}],
    ['half a sample', Buffer.alloc(6), {}],
    ['a header alone', Buffer.alloc(8), { header: { bytes: 8 } }],
    ['another number of samples', Buffer.alloc(8), { samples: 3 }],
    [
      'a rate of zero',
      Buffer.alloc(8),
      { header: { bytes: 4, sampleRateHz: { offset: 0, type: 'uint32le' } } },
    ],
  ])('refuses %s', (_, payload, more) => {
    const act = () => decode({ kind: 'waveform', sampleRateHz: 1000, unit: 'g', ...more }, payload);
    expect(act).toThrow(expect.objectContaining({ code: 'PAYLOAD_INVALID' }));
  });
});

describe('scalar payloads', () => {
  const json = { kind: 'json', value: '$.value', unit: 'degC' };

  it.each([
    ['{"value":21.5}', 21.5],
    ['{"value":"21.5"}', 21.5],
    ['{"value":true}', 1],
    ['{"value":1e3}', 1000],
  ])('reads %s', (text, value) => {
    expect(decode(json, text).readings).toEqual([
      { point: 'p.x', timeMs: ARRIVAL.timeMs, value, unit: 'degC', quality: 'good' },
    ]);
  });

  it.each(['{"value":', '[]', '{"value":{}}', '{"value":"warm"}', '{"value":[1,2]}', '{}', '', '\u0000'])(
    'refuses %s',
    (text) => {
      expect(() => decode(json, text)).toThrow(SmEdgeError);
    },
  );

  it('judges values: null, sentinel, range', () => {
    const config = { ...json, sentinel: -999, scale: 0.1, range: [-40, 150] };
    const reading = (value: string) => decode(config, `{"value":${value}}`).readings[0];
    expect(reading('null')).toMatchObject({ quality: 'bad', reason: 'not-a-number', value: Number.NaN });
    expect(reading('-999')).toMatchObject({ quality: 'bad', reason: 'sentinel', value: Number.NaN });
    expect(reading('1501')).toMatchObject({ quality: 'bad', reason: 'out-of-range', value: 150.1 });
    expect(reading('1500')).toMatchObject({ quality: 'good', value: 150 });
  });

  it.each([
    ['s', '1750000000.5', 1_750_000_000_500],
    ['ms', '1750000000500', 1_750_000_000_500],
    ['us', '1750000000500000', 1_750_000_000_500],
    ['ns', '"1750000000500000000"', 1_750_000_000_500],
    ['iso', '"2025-06-15T15:06:40.500Z"', 1_750_000_000_500],
    ['iso', '"2025-06-15T17:06:40,5+02:00"', 1_750_000_000_500],
    ['iso', '"2025-06-15 15:06:40.5"', 1_750_000_000_500],
  ])('reads a time in %s: %s', (unit, text, timeMs) => {
    const config = { ...json, time: { path: '$.t', unit } };
    expect(decode(config, `{"value":1,"t":${text}}`).readings[0]?.timeMs).toBe(timeMs);
    expect(() => decode(config, '{"value":1,"t":"soon"}')).toThrow(/no time/);
    expect(() => decode(config, '{"value":1}')).toThrow(/no time/);
  });

  it('reads arrays: a waveform, or values with their times', () => {
    const waveform = decode({ ...json, sampleRateHz: 100 }, '{"value":[1,2,null]}').blocks[0];
    expect(waveform?.samples).toEqual(new Float32Array([1, 2, Number.NaN]));
    expect(waveform).toMatchObject({ sampleRateHz: 100, quality: 'bad', startTimeMs: ARRIVAL.timeMs - 30 });
    const several = decode(
      { ...json, value: '$.d[*].v', time: { path: '$.d[*].t', unit: 's' } },
      '{"d":[{"v":1,"t":10},{"v":2,"t":11}]}',
    ).readings;
    expect(several.map(({ timeMs, value }) => [timeMs, value])).toEqual([
      [10_000, 1],
      [11_000, 2],
    ]);
  });

  it('follows paths as the document has them and no further', () => {
    const read = (value: string, text: string) => decode({ ...json, value }, text).readings[0]?.value;
    expect(read('$', '5')).toBe(5);
    expect(read("$['a b'][0].c", '{"a b":[{"c":3}]}')).toBe(3);
    expect(read('$[-1]', '[1,2]')).toBe(2);
    expect(() => read('$.constructor.length', '{}')).toThrow(SmEdgeError);
    for (const value of ['', 'a', '$..a', '$.a[?(@.b)]', '$[', '$.a.']) {
      expect(payloadSchema.safeParse({ ...json, value }).success).toBe(false);
    }
  });

  it('reads plain numbers', () => {
    const number = { kind: 'number', unit: 'A', scale: 2 };
    expect(decode(number, ' -1.5e1\n').readings[0]?.value).toBe(-30);
    expect(decode(number, 'nan').readings[0]?.quality).toBe('bad');
    for (const text of ['12abc', '0x10', '1,5', 'A'.repeat(100)])
      expect(() => decode(number, text)).toThrow(SmEdgeError);
  });

  it('reads CSV lines', () => {
    const csv = { kind: 'csv', unit: 'A', separator: ';', decimal: ',', value: 2, skipLines: 1 };
    const text = 'time;current\r\n2025-06-15T15:06:40Z;1,5\r\n2025-06-15T15:06:41Z;"2,5"\r\n';
    const { readings } = decode({ ...csv, time: { column: 1, unit: 'iso' } }, text);
    expect(readings.map(({ timeMs, value }) => [timeMs - 1_750_000_000_000, value])).toEqual([
      [0, 1.5],
      [1000, 2.5],
    ]);
    expect(decode({ ...csv, sampleRateHz: 10 }, text).blocks[0]?.samples).toEqual(
      new Float32Array([1.5, 2.5]),
    );
    expect(() => decode(csv, text)).toThrow(/without a time/);
    expect(() => decode(csv, 'h\n1')).toThrow(/columns/);
  });

  it('refuses a sample rate so small that its blocks would begin before all time', () => {
    const config = {
      kind: 'waveform',
      unit: 'g',
      header: { bytes: 8, sampleRateHz: { offset: 0, type: 'float64le' } },
    };
    const payload = Buffer.alloc(12);
    payload.writeDoubleLE(1e-306);
    expect(() => decoder(config).decode(payload, ARRIVAL)).toThrow(/a sample rate of 1e-306 Hz/);
    const document = { kind: 'json', value: '$.v', sampleRatePath: '$.r', unit: 'g' };
    expect(() => decode(document, '{"v":[1,2],"r":1e-306}')).toThrow(/a sample rate of 1e-306 Hz/);
  });

  it('never throws anything but a payload error', () => {
    const decoders = [
      { kind: 'waveform', encoding: 'int24be', sampleRateHz: 100, unit: 'g', channels: ['a', 'b'] },
      {
        kind: 'waveform',
        unit: 'g',
        header: {
          bytes: 9,
          sampleRateHz: { offset: 1, type: 'float64le' },
          sequence: { offset: 0, type: 'uint8' },
        },
      },
      { ...json, sampleRateHz: 1, time: { path: '$.t', unit: 'iso' } },
      { kind: 'number', unit: 'A' },
      { kind: 'csv', unit: 'A' },
    ].map(decoder);
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text)),
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(payload, (bytes) => {
        for (const one of decoders) {
          try {
            const { readings, blocks } = one.decode(bytes, ARRIVAL);
            for (const reading of readings)
              expect(Number.isNaN(reading.value)).toBe(reading.quality === 'bad');
            for (const block of blocks) expect(Number.isFinite(block.startTimeMs)).toBe(true);
          } catch (error) {
            expect(error).toMatchObject({ name: 'SmEdgeError', code: 'PAYLOAD_INVALID' });
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
