import { describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { type Random, seededRandom } from '#sm/base/random.js';
import { mqttConfigSchema } from '#sm/sources/mqtt/config.js';
import { Intake } from '#sm/sources/mqtt/intake.js';
import { MqttMetrics } from '#sm/sources/mqtt/mqtt-metrics.js';
import { SparkplugHost } from '#sm/sources/sparkplug/host.js';
import { PointRules } from '#sm/sources/sparkplug/point-rules.js';
import { sparkplugTopic } from '#sm/sources/sparkplug/topic.js';
import { collectGarbage } from '../../support/garbage.js';
import { soakCount, soakResult, soakTimeoutMs } from '../../support/soak.js';
import { encode } from '../sparkplug/edge-node.js';

// Mutated payloads of every kind through the way that a message takes. The short run is a test;
// `npm run soak -- mqtt-payloads --count 1000000` is the long one.

const COUNT = soakCount(10_000);
/** Heap and buffers may grow by this over a whole soak: routes and reports, none of it per message. */
const MAX_GROWTH_BYTES = 32 << 20;

const wav = (samples: number): Buffer => {
  const head = Buffer.alloc(44);
  head.write('RIFF');
  head.writeUInt32LE(36 + samples * 2, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(16_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples * 2, 40);
  return Buffer.concat([head, Buffer.alloc(samples * 2, 7)]);
};

/** `{"x": [1.5, 2.5 …], "t": 1750000000.5}` in CBOR: text keys, float32 typed array, float64. */
const cbor = (): Buffer => {
  const samples = Buffer.from(Float32Array.from({ length: 20 }, (_, i) => i + 0.5).buffer);
  const time = Buffer.alloc(8);
  time.writeDoubleBE(1_750_000_000.5);
  return Buffer.concat([
    Buffer.from([0xa2, 0x61, 0x78, 0xd8, 0x55, 0x58, samples.length]),
    samples,
    Buffer.from([0x61, 0x74, 0xfb]),
    time,
  ]);
};

const framed = (): Buffer => {
  const head = Buffer.alloc(16);
  head.writeUInt16LE(64, 4);
  head.writeUInt16LE(25_600, 6);
  head.writeBigUInt64LE(1_750_000_000_000_000n, 8);
  return Buffer.concat([head, Buffer.alloc(128, 3)]);
};

const text = (value: string): Buffer => Buffer.from(value);

/** Payload in the config, and a message that it accepts. */
const KINDS: Readonly<Record<string, readonly [payload: object, good: Buffer]>> = {
  int24: [
    { kind: 'waveform', encoding: 'int24be', sampleRateHz: 8000, unit: 'g', channels: ['a', 'b'] },
    Buffer.alloc(96, 5),
  ],
  planar: [
    {
      kind: 'waveform',
      encoding: 'float64le',
      sampleRateHz: 8000,
      unit: 'g',
      channels: ['a', 'b'],
      layout: 'planar',
    },
    Buffer.alloc(128),
  ],
  framed: [
    {
      kind: 'waveform',
      encoding: 'int16le',
      unit: 'g',
      header: {
        bytes: 16,
        sequence: { offset: 0, type: 'uint32le' },
        samples: { offset: 4, type: 'uint16le' },
        sampleRateHz: { offset: 6, type: 'uint16le' },
        startTime: { offset: 8, type: 'uint64le', unit: 'us' },
      },
    },
    framed(),
  ],
  json: [
    { kind: 'json', value: '$.d[0].x', time: { path: '$.ts', unit: 'ms' }, unit: 'degC', range: [-40, 150] },
    text('{"d":[{"x":61.5}],"ts":1750000000123,"s":"ok"}'),
  ],
  samples: [
    {
      kind: 'json',
      value: '$.x',
      encoding: 'int16le',
      sampleRatePath: '$.rate',
      sequencePath: '$.n',
      unit: 'g',
    },
    text(`{"rate":12800,"n":17,"x":"${Buffer.alloc(64, 9).toString('base64')}"}`),
  ],
  cbor: [
    { kind: 'cbor', value: '$.x', sampleRateHz: 12_800, time: { path: '$.t', unit: 's' }, unit: 'mm/s' },
    cbor(),
  ],
  line: [
    { kind: 'line-protocol', tags: ['line'], values: [{ channel: 'temp', field: 'temp', unit: 'degC' }] },
    text(
      'motor,line=3 temp=61.5,current=4i 1750000000000000000\nmotor,line=4 temp=1,note="a b" 1750000000000000000',
    ),
  ],
  wav: [{ kind: 'wav', fullScale: 20, unit: 'Pa' }, wav(40)],
  csv: [
    { kind: 'csv', separator: ';', decimal: ',', value: 2, time: { column: 1, unit: 's' }, unit: 'degC' },
    text('1750000000;61,5\n1750000001;"62,5"\n'),
  ],
  number: [{ kind: 'number', unit: 'rpm', range: [0, 6000] }, text('1480.25')],
  fields: [
    {
      kind: 'fields',
      bytes: 4,
      values: [{ channel: 'temp', at: 0, type: 'int16be', scale: 0.1, unit: 'degC' }],
    },
    Buffer.from([1, 2, 3, 4]),
  ],
  pattern: [
    { kind: 'pattern', pattern: 'T=(?<temp>[-+.0-9]+)', values: [{ channel: 'temp', unit: 'degC' }] },
    text('T=61.5'),
  ],
};

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** Untouched, bits flipped, cut, bytes put in, doubled, a number blown up, noise. */
function mutate(good: Buffer, random: Random): Buffer {
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => below(random, 256)));
  const at = below(random, good.length);
  switch (below(random, 7)) {
    case 0:
      return good;
    case 1: {
      const flipped = Buffer.from(good);
      for (let flips = 1 + below(random, 4); flips > 0; flips--)
        flipped[below(random, good.length)]! ^= 1 << below(random, 8);
      return flipped;
    }
    case 2:
      return good.subarray(0, at);
    case 3:
      return Buffer.concat([good.subarray(0, at), noise(1 + below(random, 12)), good.subarray(at)]);
    case 4:
      return Buffer.concat([good, good.subarray(at)]);
    case 5: {
      // Lengths and counts that promise more than there is.
      const huge = Buffer.from(good);
      huge.fill(0xff, at, Math.min(good.length, at + 1 + below(random, 8)));
      return huge;
    }
    default:
      return noise(below(random, 300));
  }
}

const memoryBytes = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** A value in a batch is at most one per byte of its payload: nothing may promise itself memory. */
function check(decoded: ReturnType<Intake['take']>, bytes: number): void {
  for (const { value, quality, timeMs } of decoded?.readings ?? []) {
    if ((!Number.isFinite(value) && quality !== 'bad') || !Number.isFinite(timeMs))
      throw new Error(`a reading ${value} of ${quality} at ${timeMs}`);
  }
  for (const { samples, startTimeMs, sampleRateHz } of decoded?.blocks ?? []) {
    if (samples.length > bytes || !Number.isFinite(startTimeMs) || !(sampleRateHz > 0))
      throw new Error(
        `${samples.length} samples at ${sampleRateHz} Hz from ${startTimeMs} of ${bytes} bytes`,
      );
  }
}

const kinds = Object.keys(KINDS);

describe('mutated payloads', () => {
  it(
    'end in values or in a counter, never in a crash or in memory that grows',
    async () => {
      const random = seededRandom(20_261_121);
      const metrics = new Metrics();
      const deps = { clock: systemClock, logger: silentLogger, metrics };
      const config = mqttConfigSchema.parse({
        id: 'fuzz',
        type: 'mqtt',
        broker: { url: 'mqtt://localhost' },
        subscriptions: kinds.map((kind) => ({
          filter: `${kind}/{machine}`,
          point: /int24|planar|line|fields|pattern/.test(kind) ? '{machine}.{channel}' : '{machine}.x',
          payload: KINDS[kind]![0],
        })),
      });
      const mqttMetrics = new MqttMetrics('fuzz', deps as never);
      const intake = new Intake(config, deps, mqttMetrics, { trouble: () => undefined });
      const host = new SparkplugHost({
        rules: new PointRules([
          {
            metric: '#',
            point: '{node}.{device}.x',
            unit: '1',
            scale: 1,
            offset: 0,
            sampleRateHz: 1000,
          } as never,
        ]),
        maxNodes: 10,
        maxMetrics: 100,
        events: {
          rebirth: () => undefined,
          born: () => undefined,
          lost: () => undefined,
          changed: () => undefined,
        },
      });
      const birth = encode(
        [
          { name: 'bdSeq', type: 'Int64', value: 0 },
          { name: 'a', alias: 1, type: 'Float', value: 1.5 },
          { name: 'b', alias: 2, type: 'Bytes', value: new Uint8Array(16) },
        ],
        0,
      );
      const tally = { payloads: COUNT, used: 0, unusable: 0, readings: 0, samples: 0 };
      const births = sparkplugTopic('spBv1.0/g/NBIRTH/n')!;
      const data = sparkplugTopic('spBv1.0/g/NDATA/n')!;

      const one = (i: number): void => {
        const kind = kinds[i % (kinds.length + 1)];
        let decoded: ReturnType<Intake['take']>;
        let bytes: Buffer;
        if (kind === undefined) {
          bytes = mutate(birth, random);
          try {
            decoded = host.take(i % 3 === 0 ? births : data, bytes, {
              timeMs: 1_750_000_000_000,
              repeated: false,
            });
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: 'PAYLOAD_INVALID' });
          }
        } else {
          bytes = mutate(KINDS[kind]![1], random);
          decoded = intake.take({
            topic: `${kind}/m${i % 7}`,
            payload: bytes,
            retained: false,
            repeated: i % 5 === 0,
          });
        }
        check(decoded, bytes.length);
        if (decoded === undefined) tally.unusable++;
        else tally.used++;
        tally.readings += decoded?.readings.length ?? 0;
        for (const { samples } of decoded?.blocks ?? []) tally.samples += samples.length;
      };

      const warm = Math.min(COUNT / 4, 50_000);
      for (let i = 0; i < warm; i++) one(i);
      await collectGarbage();
      const beforeBytes = memoryBytes();
      const startMs = performance.now();
      for (let i = warm; i < COUNT; i++) {
        one(i);
        // The finalisers of buffers run between turns only.
        if (i % 2000 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await collectGarbage();
      const grownBytes = memoryBytes() - beforeBytes;
      // Half of the mutations leave something that can be read: both ways were taken many times.
      expect(tally.used).toBeGreaterThan(COUNT / 5);
      expect(tally.unusable).toBeGreaterThan(COUNT / 5);
      expect(tally.readings).toBeGreaterThan(COUNT / 10);
      expect(tally.samples).toBeGreaterThan(COUNT);
      mqttMetrics.publish();
      const counted = await metrics.registry.getSingleMetric('sm_edge_mqtt_unusable_messages_total')!.get();
      expect(counted.values.reduce((sum, { value }) => sum + value, 0)).toBeGreaterThan(COUNT / 6);
      expect(grownBytes).toBeLessThan(MAX_GROWTH_BYTES);
      soakResult({
        ...tally,
        grownMiB: Number((grownBytes / 2 ** 20).toFixed(1)),
        usPerPayload: Number((((performance.now() - startMs) * 1000) / (COUNT - warm)).toFixed(1)),
      });
    },
    soakTimeoutMs(240_000),
  );
});
