import { rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { startGateway } from '../support/gateway.js';

type Started = Awaited<ReturnType<typeof startGateway>>;

let started: Started[] = [];
afterEach(async () => {
  for (const one of started) await one.stop();
  started = [];
});

const start = async (config = {}, folder?: string): Promise<Started> => {
  const one = await startGateway(config, folder);
  started.push(one);
  return one;
};

const URL = '/api/v1/data/ingest';
const post = (one: Started, payload: unknown, headers: Record<string, string> = {}) =>
  one.api.inject({ method: 'POST', url: URL, payload: payload as object, headers });

const READING = { point: 'oven.temperature', value: 181.5, unit: 'degC', time: '2026-05-01T12:00:00Z' };
const TIME = Date.UTC(2026, 4, 1, 12);
const YEAR = [0, Date.UTC(2100, 0, 1), 100] as const;

describe('POST /api/v1/data/ingest', () => {
  it('has stored what it acknowledged: one reading, a list, waveforms', async () => {
    const one = await start();
    const answer = await post(one, READING);
    expect(answer.statusCode).toBe(201);
    expect(answer.json()).toMatchObject({ status: 'stored', readings: 1, waveforms: 0 });
    const list = [
      {
        sensor_id: 'sensor-7',
        value: 3,
        timestamp: '2026-05-01T12:00:00Z',
        sensor_type: 'vibration',
        quality: 0.9,
      },
      { point: 'oven.temperature', value: null, time: TIME + 1000 },
      { point: 'oven.door', value: true },
      { point: 'oven.door', value: false },
    ];
    expect((await post(one, list)).json()).toMatchObject({ readings: 4 });
    const samples = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i));
    const waveforms = [
      { point: 'fan.x', unit: 'g', sampleRateHz: 1000, time: TIME, samples: [...samples] },
      {
        point: 'fan.y',
        unit: 'g',
        sampleRateHz: 1000,
        time: TIME,
        samples: Buffer.from(samples.buffer).toString('base64'),
        encoding: 'float32le',
      },
    ];
    expect((await post(one, { waveforms })).json()).toMatchObject({ waveforms: 2 });
    await one.stopAndRead(async (store) => {
      expect(await store.readings('oven.temperature', ...YEAR)).toMatchObject([
        { value: 181.5, unit: 'degC', timeMs: TIME, quality: 'good' },
        { timeMs: TIME + 1000, unit: 'degC', quality: 'bad' },
      ]);
      expect(await store.readings('sensor-7', ...YEAR)).toMatchObject([{ value: 3, quality: 'good' }]);
      // No time of their own, and both are kept.
      expect(await store.readings('oven.door', ...YEAR)).toMatchObject([{ value: 1 }, { value: 0 }]);
      for (const point of ['fan.x', 'fan.y']) {
        const [block] = await store.blocks(point, ...YEAR);
        expect([...block!.samples]).toEqual([...samples]);
      }
    });
  });

  it('stores a request once, however often it comes with its key, over a restart too', async () => {
    const one = await start();
    const headers = { 'idempotency-key': 'batch-1' };
    const body = { point: 'a.b', value: 1 };
    const answers = await Promise.all([1, 2, 3].map(() => post(one, body, headers)));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 200, 201]);
    expect(new Set(answers.map((answer) => answer.json().id)).size).toBe(1);
    const other = await post(one, { point: 'a.b', value: 2 }, headers);
    expect(other.statusCode).toBe(422);
    expect(other.json()).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    await one.stop(false);

    const again = await start({}, one.folder);
    const repeated = await post(again, body, headers);
    expect(repeated.statusCode).toBe(200);
    expect(repeated.json()).toMatchObject({ status: 'duplicate_ignored', id: answers[0]!.json().id });
    await again.stopAndRead(async (store) => {
      expect(await store.readings('a.b', ...YEAR)).toHaveLength(1);
    });
    rmSync(one.folder, { recursive: true, force: true });
  });

  it('says what is wrong with a batch, and stores none of it', async () => {
    const one = await start({
      sources: [{ id: 'post', type: 'http', points: ['oven.*', 'fan.*'], maxReadings: 3 }],
    });
    const refused = async (payload: unknown) => {
      const answer = await post(one, payload);
      expect(answer.headers['content-type']).toContain('application/problem+json');
      expect(answer.statusCode).toBe(422);
      return answer.json() as { code: string; detail: string; errors: { path: string }[] };
    };
    const mixed = await refused([READING, { ...READING, point: 'no point!' }, { ...READING, value: 'hot' }]);
    expect(mixed.code).toBe('INGEST_INVALID');
    expect(mixed.errors.map(({ path }) => path)).toEqual(['readings.1.point', 'readings.2.value']);
    expect((await refused({})).detail).toContain('nothing in it');
    expect((await refused({ ...READING, tiem: 1 })).detail).toContain('tiem');
    expect((await refused({ ...READING, point: 'pump.temperature' })).detail).toContain('may not be written');
    expect((await refused([READING, READING, READING, READING])).detail).toContain('3 are the limit');
    const waveform = { point: 'fan.x', unit: 'g', sampleRateHz: 10, samples: 'AAA=', encoding: 'int32le' };
    expect((await refused({ waveforms: [waveform] })).errors).toMatchObject([
      { path: 'waveforms.0.samples' },
    ]);
    const broken = await one.api.inject({
      method: 'POST',
      url: URL,
      payload: '{"point":',
      headers: { 'content-type': 'application/json' },
    });
    expect(broken.statusCode).toBe(400);
    const large = await post(one, { ...READING, metadata: { text: 'x'.repeat(9 * 2 ** 20) } });
    expect(large.statusCode).toBe(413);
    await one.stopAndRead(async (store) => {
      expect((await store.counts()).readings).toBe(0);
    });
  });

  it('lets in who has a key, and without keys this machine alone', async () => {
    const key = 'a-key-of-sixteen-characters';
    const guarded = await start({ http: { keys: [key] } });
    expect((await post(guarded, READING)).statusCode).toBe(401);
    expect((await post(guarded, READING, { 'x-api-key': 'another-key-of-that-length' })).statusCode).toBe(
      401,
    );
    const answer = await post(guarded, READING, { 'x-api-key': key });
    expect(answer.statusCode).toBe(201);
    expect((await guarded.api.inject('/health')).statusCode).toBe(200);

    const open = await start();
    const from = (remoteAddress: string, headers = {}) =>
      open.api.inject({ method: 'POST', url: URL, payload: READING, remoteAddress, headers });
    expect((await from('192.168.7.3')).json()).toMatchObject({
      code: 'KEY_REQUIRED',
      hint: expect.stringContaining('http.keys'),
    });
    expect((await from('127.0.0.1', { 'x-forwarded-for': '192.168.7.3' })).statusCode).toBe(401);
    expect((await from('127.0.0.1')).statusCode).toBe(201);
    expect(open.gateway.health().parts.map(({ part }) => part)).toContain('source http-ingest');
  });

  it('is told to come again while the gateway is not ready', async () => {
    const one = await start();
    await one.gateway.stop();
    const answer = await post(one, READING);
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.json()).toMatchObject({ code: 'NOT_READY' });
  });
});
