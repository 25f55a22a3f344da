import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePayload, numberOf, samplesOf } from '#sm/sources/sparkplug/metric.js';
import { encodeWire } from '#sm/sources/sparkplug/proto.js';
import { sparkplugTopic } from '#sm/sources/sparkplug/topic.js';
import { encode, decodePayload as tahuDecode } from './edge-node.js';

// The second implementation is the encoder of Eclipse Tahu.

const INTEGERS = {
  Int8: [-128, 127],
  Int16: [-32_768, 32_767],
  Int32: [-(2 ** 31), 2 ** 31 - 1],
  UInt8: [0, 255],
  UInt16: [0, 65_535],
  UInt32: [0, 2 ** 32 - 1],
  UInt64: [0, Number.MAX_SAFE_INTEGER],
} as const;

describe('the payload of Sparkplug B', () => {
  it.each(Object.entries(INTEGERS))('%s as Tahu writes it', (type, [min, max]) => {
    const property = fc.property(fc.maxSafeInteger(), (seed) => {
      const value = min + (Math.abs(seed) % (max - min + 1));
      const { metrics, seq } = decodePayload(encode([{ name: 'm', type, value }], 7));
      expect(seq).toBe(7);
      expect(numberOf(metrics[0]!, metrics[0]!.datatype!)).toBe(value);
    });
    fc.assert(property, { numRuns: 200 });
  });

  it('takes a zero for a value, in every place', () => {
    const zeros = ['Int8', 'Int32', 'UInt64', 'Float', 'Double'].map((type, alias) => ({
      alias,
      type,
      value: 0,
    }));
    const { metrics, seq, timestampMs } = decodePayload(
      encode([...zeros, { alias: 9, type: 'Boolean', value: false }], 0, 0),
    );
    expect(metrics.map((metric) => numberOf(metric, metric.datatype!))).toEqual([0, 0, 0, 0, 0, 0]);
    expect([metrics[0]?.alias, seq, timestampMs]).toEqual(['0', 0, 0]);
  });

  it('floating point, truth and 64-bit integers', () => {
    const property = fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (double, float, truth, long) => {
        const { metrics } = decodePayload(
          encode([
            { name: 'd', type: 'Double', value: double },
            { name: 'f', type: 'Float', value: float },
            { name: 'b', type: 'Boolean', value: truth },
          ]),
        );
        expect(metrics.map((metric) => numberOf(metric, metric.datatype!))).toEqual([
          double,
          float,
          Number(truth),
        ]);
        // Tahu's JavaScript encoder takes no negative 64-bit integers: their two's complement as it stands on the wire.
        const bytes = encodeWire({
          metrics: [{ name: 'l', datatype: 4, longValue: BigInt.asUintN(64, long).toString() }],
        });
        expect(numberOf(decodePayload(bytes).metrics[0]!, 4)).toBe(Number(long));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it('what is written here is read by Tahu', () => {
    const bytes = encodeWire({
      timestamp: 1_750_000_000_123,
      seq: 3,
      metrics: [{ name: 'Node Control/Rebirth', datatype: 11, booleanValue: true, timestamp: 1 }],
    });
    expect(tahuDecode(bytes)).toMatchObject({
      metrics: [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true }],
    });
  });

  it('arrays of samples, null values, metrics in templates', () => {
    const raw = Buffer.from(Int16Array.of(1, -2, 300).buffer);
    const nested = { name: 'temperature', datatype: 9, floatValue: 1.5 };
    const { metrics } = decodePayload(
      encodeWire({
        metrics: [
          { name: 'wave', datatype: 23, bytesValue: raw },
          { name: 'none', datatype: 9, isNull: true },
          { name: 'motor', datatype: 19, templateValue: { metrics: [nested] } },
          { name: 'type', datatype: 19, templateValue: { metrics: [nested], isDefinition: true } },
        ],
      }),
    );
    expect(metrics.map(({ name }) => name)).toEqual(['wave', 'none', 'motor/temperature']);
    expect(samplesOf(metrics[0]!, 23, 0.5, 0)?.samples).toEqual(Float32Array.of(0.5, -1, 150));
    expect(numberOf(metrics[1]!, 9)).toBeNaN();
    expect(numberOf(metrics[2]!, 9)).toBe(1.5);
  });

  it('never throws anything but a payload error', () => {
    const good = encode(
      [{ name: 'm', alias: 3, type: 'Double', value: 2, properties: { a: { type: 'Int32', value: 1 } } }],
      1,
    );
    const property = fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255))),
      fc.nat(good.length),
      (edits, length) => {
        const bytes = Buffer.from(good.subarray(0, length));
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        try {
          for (const metric of decodePayload(bytes).metrics) numberOf(metric, metric.datatype ?? 0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PAYLOAD_INVALID' });
        }
      },
    );
    fc.assert(property, { numRuns: 3000 });
  });

  it.each([
    ['spBv1.0/g/NBIRTH/n', { type: 'NBIRTH', group: 'g', node: 'n', device: undefined }],
    ['spBv1.0/g/DDATA/n/d', { type: 'DDATA', group: 'g', node: 'n', device: 'd' }],
    ['spBv1.0/g/NDATA/n/d', undefined],
    ['spBv1.0/g/DDATA/n', undefined],
    ['spBv1.0/g/NCMD/n', undefined],
    ['spBv1.0/STATE/host', undefined],
    ['spAv1.0/g/NDATA/n', undefined],
  ])('%s', (topic, expected) => expect(sparkplugTopic(topic)).toEqual(expected));
});
