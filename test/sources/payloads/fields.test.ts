import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDecoder, payloadSchema } from '#sm/sources/payloads/index.js';

const ARRIVAL = { timeMs: 1_000, repeated: false };
const decoder = (config: object) => createDecoder(payloadSchema.parse(config), (channel) => `m.${channel}`);

const READERS = {
  uint8: (b: Buffer) => b.readUInt8(),
  int8: (b: Buffer) => b.readInt8(),
  uint16le: (b: Buffer) => b.readUInt16LE(),
  uint16be: (b: Buffer) => b.readUInt16BE(),
  int16le: (b: Buffer) => b.readInt16LE(),
  int16be: (b: Buffer) => b.readInt16BE(),
  int24le: (b: Buffer) => b.readIntLE(0, 3),
  int24be: (b: Buffer) => b.readIntBE(0, 3),
  int32le: (b: Buffer) => b.readInt32LE(),
  int32be: (b: Buffer) => b.readInt32BE(),
  float32le: (b: Buffer) => b.readFloatLE(),
  float32be: (b: Buffer) => b.readFloatBE(),
  float64le: (b: Buffer) => b.readDoubleLE(),
  float64be: (b: Buffer) => b.readDoubleBE(),
};

describe('binary fields', () => {
  it.each(Object.entries(READERS))('%s as Buffer reads it', (type, read) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.nat(20), (raw, at) => {
        const payload = Buffer.concat([Buffer.alloc(at, 0xee), Buffer.from(raw)]);
        const { readings } = decoder({
          kind: 'fields',
          values: [{ channel: 'v', at, type, unit: 'A' }],
        }).decode(payload, ARRIVAL);
        const expected = read(Buffer.from(raw));
        expect(readings).toHaveLength(1);
        if (Number.isFinite(expected))
          expect(readings[0]).toMatchObject({ value: expected, quality: 'good' });
        else expect(readings[0]).toMatchObject({ quality: 'bad', reason: 'not-a-number' });
      }),
    );
  });

  it('refuses what is too short or has another length', () => {
    const one = decoder({
      kind: 'fields',
      bytes: 6,
      values: [{ channel: 'v', at: 2, type: 'int32le', unit: 'A' }],
    });
    for (const length of [0, 5, 7])
      expect(() => one.decode(Buffer.alloc(length), ARRIVAL)).toThrow('declared');
    expect(one.decode(Buffer.alloc(6), ARRIVAL).readings).toHaveLength(1);
  });
});

describe('text by a pattern', () => {
  const pattern = '^T=(?<temperature>\\S+) H=(?<humidity>\\S+?)( E=(?<error>\\d+))?$';
  const values = [
    { channel: 'temperature', unit: 'degC', range: [-40, 85] },
    { channel: 'humidity', unit: '%', scale: 0.5 },
    { channel: 'fault', group: 'error', unit: '1' },
  ];

  it('gives each group its point', () => {
    const one = decoder({ kind: 'pattern', pattern, values });
    expect(one.decode(Buffer.from('T=-3.5 H=80'), ARRIVAL).readings).toMatchObject([
      { point: 'm.temperature', value: -3.5, unit: 'degC', timeMs: 1_000 },
      { point: 'm.humidity', value: 40 },
    ]);
    expect(one.decode(Buffer.from('T=99 H=nan E=7'), ARRIVAL).readings).toMatchObject([
      { quality: 'bad', reason: 'out-of-range' },
      { quality: 'bad', reason: 'not-a-number' },
      { point: 'm.fault', value: 7 },
    ]);
  });

  it('refuses other lines', () => {
    const one = decoder({ kind: 'pattern', pattern, values });
    expect(() => one.decode(Buffer.from('boot v1.2'), ARRIVAL)).toThrow('does not match');
    expect(() => one.decode(Buffer.from('T=warm H=1'), ARRIVAL)).toThrow('"warm" is not a number');
  });

  it('finds faults of the pattern when the config is read', () => {
    const faults = (config: object) =>
      payloadSchema.safeParse({ kind: 'pattern', ...config }).error?.issues.map(({ message }) => message);
    expect(faults({ pattern: '(', values })).toEqual(['is no regular expression']);
    expect(faults({ pattern: '(?<a>.)', values: values.slice(0, 1) })).toEqual([
      'the pattern has no group (?<temperature>…)',
    ]);
  });
});
