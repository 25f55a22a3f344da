import { encode } from 'cbor2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '#sm/config/load.js';
import { encodeWav } from '#sm/signals/wav.js';
import { guessPayload, guessRateHz } from '#sm/sources/payloads/guess.js';
import { SAMPLE_ENCODINGS, type SampleEncoding } from '#sm/sources/payloads/sample-encoding.js';
import { publisher } from '../sources/mqtt/support.js';
import { encode as sparkplug } from '../sources/sparkplug/edge-node.js';
import { smEdge } from '../support/daemon.js';
import { hasMosquitto, Mosquitto } from '../support/mosquitto.js';

/** What `sm-edge check` says of the lines that a tool gave, beside the keys that every config has. */
const accepted = (yaml: string) =>
  parseConfig('pasted.yaml', `gateway: { id: gw-1 }\nstorage: { path: /tmp/x }\n${yaml}`, {
    SM_EDGE_MQTT_PASSWORD: 'secret',
  }).config.sources;

const wave = (i: number) => Math.sin(i / 7) + 0.3 * Math.sin(i / 2.3);
const int16 = Buffer.from(Int16Array.from({ length: 1024 }, (_, i) => 8000 * wave(i)).buffer);

const PLANT: Record<string, Buffer> = {
  'plant/pump-1/motor/temperature': Buffer.from('61.5'),
  'plant/pump-2/motor/temperature': Buffer.from('58.25'),
  'plant/pump-1/state': Buffer.from('{"speed":1480,"current":12.5,"ts":1750000000123}'),
  'plant/pump-1/bearing-de/vibration': int16,
  'plant/cbor/wave': Buffer.from(encode({ fs: 12_800, x: Array.from({ length: 64 }, (_, i) => wave(i)) })),
  'telegraf/cpu': Buffer.from('cpu,machine=pump-1 usage=12.5,load=3i 1750000000000000000'),
  'plant/mic': encodeWav(
    { sampleRateHz: 16_000, channels: 1, samples: new Float32Array(64).map((_, i) => wave(i) / 2) },
    'pcm16',
  ),
  'plant/scale': Buffer.from('T=61.5 P=3.2'),
  'plant/noise': Buffer.from('no number at all'),
  'spBv1.0/hall/NBIRTH/edge-1': sparkplug([{ name: 'Motor/temperature', type: 'Float', value: 1 }], 0),
};

describe.skipIf(!hasMosquitto())('scan and probe of a broker', () => {
  let broker: Mosquitto;
  const open: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    broker = await Mosquitto.start();
    const client = await publisher(broker.url);
    for (const [topic, payload] of Object.entries(PLANT))
      await client.publishAsync(topic, payload, { retain: true, qos: 1 });
    const timer = setInterval(() => client.publish('plant/pump-1/bearing-de/vibration', int16), 10);
    open.push(
      async () => clearInterval(timer),
      () => client.endAsync(true),
    );
  });
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
    await broker.stop();
  });

  it('lists topics with rate and kind, and gives lines that check accepts', async () => {
    const { code, stdout } = await smEdge(['scan', 'mqtt', broker.url, '--for', '3s', '--json']);
    expect(code).toBe(0);
    const { topics, yaml } = JSON.parse(stdout);
    const kinds = Object.fromEntries(topics.map(({ topic, kind }: Record<string, string>) => [topic, kind]));
    expect(kinds).toEqual({
      'plant/pump-1/motor/temperature': 'number',
      'plant/pump-2/motor/temperature': 'number',
      'plant/pump-1/state': 'json',
      'plant/pump-1/bearing-de/vibration': 'waveform',
      'plant/cbor/wave': 'cbor',
      'telegraf/cpu': 'line-protocol',
      'plant/mic': 'wav',
      'plant/scale': 'pattern',
      'plant/noise': null,
      'spBv1.0/hall/NBIRTH/edge-1': 'sparkplug',
    });
    const vibration = topics.find(({ topic }: { topic: string }) => topic.endsWith('vibration'));
    expect(vibration.ratePerS).toBeGreaterThan(10);
    expect(vibration.payload.encoding).toBe('int16le');
    const sources = accepted(yaml);
    expect(sources.map(({ type }) => type)).toEqual(['mqtt', 'sparkplug']);
    const { subscriptions } = sources[0] as unknown as { subscriptions: { filter: string; point: string }[] };
    expect(subscriptions).toContainEqual(
      expect.objectContaining({
        filter: 'plant/{machine}/motor/temperature',
        point: '{machine}.motor.temperature',
      }),
    );
    expect(subscriptions).toHaveLength(7);
  });

  it('shows one topic in every way that fits, for people and for programs', async () => {
    const topic = 'plant/pump-1/bearing-de/vibration';
    const { code, stdout } = await smEdge(['probe', 'mqtt', broker.url, topic, '--messages', '4', '--json']);
    expect(code).toBe(0);
    const { decoders, yaml, bytes } = JSON.parse(stdout);
    expect(bytes).toBe(2048);
    expect(decoders[0]).toMatchObject({ kind: 'waveform', payload: { encoding: 'int16le', unit: 'g' } });
    expect(decoders[0].blocks[0].samples).toBe(1024);
    expect(decoders.length).toBeGreaterThan(2);
    expect(accepted(yaml)).toHaveLength(1);

    const people = await smEdge([
      'probe',
      'mqtt',
      broker.url,
      'plant/pump-1/state',
      '--messages',
      '1',
      '--username',
      'x',
    ]);
    expect(people.code).toBe(0);
    expect(people.stdout).toContain('1480.00 rpm');
    expect(people.stdout).toContain('$' + '{SM_EDGE_MQTT_PASSWORD}');
    expect(accepted(people.stdout.slice(people.stdout.indexOf('sources:')))).toHaveLength(1);
  });

  it('says what is wrong: no broker, a silent topic, a wildcard', async () => {
    const silent = await smEdge(['probe', 'mqtt', broker.url, 'nobody/there', '--for', '200ms']);
    expect([silent.code, silent.stderr]).toEqual([
      1,
      expect.stringContaining('nothing was heard on nobody/there'),
    ]);
    const wild = await smEdge(['probe', 'mqtt', broker.url, 'plant/#']);
    expect([wild.code, wild.stderr]).toEqual([2, expect.stringContaining('without wildcards')]);
    const none = await smEdge(['scan', 'mqtt', 'mqtt://127.0.0.1:1', '--for', '1s', '--json']);
    expect(none.code).toBe(1);
    expect(JSON.parse(none.stdout)).toMatchObject({ ok: false, error: { code: 'MQTT_LINK' } });
  });
});

describe('the guess of a payload', () => {
  const write: Partial<Record<SampleEncoding, (view: DataView, at: number, value: number) => void>> = {
    int16le: (view, at, value) => view.setInt16(at, 8000 * value, true),
    int16be: (view, at, value) => view.setInt16(at, 8000 * value, false),
    int32le: (view, at, value) => view.setInt32(at, 5e8 * value, true),
    float32le: (view, at, value) => view.setFloat32(at, value, true),
    float32be: (view, at, value) => view.setFloat32(at, value, false),
    float64le: (view, at, value) => view.setFloat64(at, value, true),
  };
  it.each(Object.keys(write) as SampleEncoding[])('finds samples in %s', (encoding) => {
    expect(SAMPLE_ENCODINGS).toContain(encoding);
    const bytes = Number(/\d+/.exec(encoding)![0]) / 8;
    const payload = Buffer.alloc(1024 * bytes);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    for (let i = 0; i < 1024; i++) write[encoding]!(view, i * bytes, wave(i));
    expect(guessPayload([payload], { name: 'a/vibration' })[0]?.config).toMatchObject({
      encoding,
      unit: 'g',
    });
  });

  it('is the same where messages that were held up came all at once', () => {
    const guesses = guessPayload([int16, int16], { name: 'a/vibration', intervalMs: 0.06 });
    expect(guesses[0]?.config).toMatchObject({ encoding: 'int16le', sampleRateHz: 1000 });
  });

  it('takes the common rate that is near', () => {
    expect(guessRateHz(4096, 162)).toBe(25_600);
    expect(guessRateHz(1024, 1000)).toBe(1000);
    expect(guessRateHz(1024, undefined)).toBeUndefined();
    expect(guessRateHz(1024, 0.05)).toBeUndefined();
  });
});
