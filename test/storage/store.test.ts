import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reading } from '#sm/signals/reading.js';
import type { SampleBlock } from '#sm/signals/sample-block.js';
import type { FeatureRow, ScoreRow } from '#sm/storage/store.js';
import { StoreFolder } from '../support/store.js';

const EVER = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 10_000] as const;

const reading = (timeMs: number, value: number, more: Partial<Reading> = {}): Reading => ({
  point: 'pump-1.temperature',
  timeMs,
  value,
  unit: 'degC',
  quality: 'good',
  ...more,
});

const block = (startTimeMs: number, samples: number[], more: Partial<SampleBlock> = {}): SampleBlock => ({
  point: 'pump-1.de.acceleration',
  startTimeMs,
  sampleRateHz: 25_600,
  unit: 'g',
  samples: Float32Array.from(samples),
  quality: 'good',
  ...more,
});

const score = (timeMs: number, more: Partial<ScoreRow> = {}): ScoreRow => ({
  point: 'pump-1.de.acceleration',
  timeMs,
  model: 'vibration',
  version: '3',
  score: 0.7,
  threshold: 0.5,
  anomalous: true,
  correlationId: 'c-1',
  ...more,
});

describe('readings', () => {
  it('come back with quality, reason and a time below the millisecond, in the order of time', async () => {
    const store = await (await StoreFolder.create()).open();
    const stored = [
      reading(1_000.125, 21.5),
      reading(2_000, -0.1, { quality: 'uncertain', reason: 'clock-unsynchronised' }),
      reading(3_000, Number.NaN, { quality: 'bad', reason: 'sentinel' }),
      reading(4_000, 0, { quality: 'bad', reason: 'timeout' }),
    ];
    await store.write({ readings: stored.toReversed() });
    expect(await store.readings('pump-1.temperature', ...EVER)).toEqual(stored);
    expect(await store.readings('pump-1.temperature', 2_000, 4_000, 10)).toEqual(stored.slice(1, 3));
    expect(await store.readings('pump-1.temperature', EVER[0], EVER[1], 2)).toEqual(stored.slice(0, 2));
    expect(await store.readings('pump-2.temperature', ...EVER)).toEqual([]);
  });

  it('are stored once, however often they are delivered', async () => {
    const store = await (await StoreFolder.create()).open();
    const readings = [reading(1, 20), reading(2, 21)];
    await Promise.all([store.write({ readings }), store.write({ readings })]);
    await store.write({ readings: [...readings, reading(2, 22)] });
    // Two values of one time are two facts: neither is thrown away.
    expect((await store.readings('pump-1.temperature', ...EVER)).map(({ value }) => value)).toEqual([
      20, 21, 22,
    ]);
  });

  it('keep the unit that they were measured in when the config changes it', async () => {
    const folder = await StoreFolder.create();
    const first = await folder.open();
    await first.write({ readings: [reading(1, 20)] });
    await first.write({ readings: [reading(2, 68, { unit: 'degF' })] });
    const store = await folder.reopen();
    await store.write({ readings: [reading(3, 69, { unit: 'degF' })] });
    const stored = await store.readings('pump-1.temperature', ...EVER);
    expect(stored.map(({ value, unit }) => [value, unit])).toEqual([
      [20, 'degC'],
      [68, 'degF'],
      [69, 'degF'],
    ]);
    expect(await store.points()).toEqual([{ name: 'pump-1.temperature', unit: 'degF' }]);
    expect(await store.counts()).toMatchObject({ points: 1, readings: 3 });
  });

  it('give a point its unit also where its features came first', async () => {
    const store = await (await StoreFolder.create()).open();
    const point = 'pump-1.temperature';
    await store.write({ features: [{ point, timeMs: 0, durationMs: 1, features: { rms: 1 } }] });
    await store.write({ readings: [reading(1, 20)] });
    expect(await store.points()).toEqual([{ name: point, unit: 'degC' }]);
    expect(await store.readings(point, ...EVER)).toEqual([reading(1, 20)]);
    expect(await store.features(point, ...EVER)).toHaveLength(1);
  });

  it('come back as any number went in, whatever batches they came in', async () => {
    const store = await (await StoreFolder.create()).open();
    let run = 0;
    const value = fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0);
    const times = fc.uniqueArray(fc.integer({ min: -1e12, max: 4e15 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        times,
        fc.infiniteStream(value),
        fc.integer({ min: 1, max: 9 }),
        async (us, values, size) => {
          const point = `p-${run++}.x`;
          const readings = us.map((time) => reading(time / 1000, values.next().value, { point }));
          const batches = [];
          for (let at = 0; at < readings.length; at += size) batches.push(readings.slice(at, at + size));
          await Promise.all(batches.map((batch) => store.write({ readings: batch })));
          const inOrder = readings.toSorted((a, b) => a.timeMs - b.timeMs);
          expect(await store.readings(point, ...EVER)).toEqual(inOrder);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('readings by column', () => {
  const columns = (count: number) => ({
    point: 'pump-1.temperature',
    unit: 'degC',
    timesUs: Float64Array.from({ length: count }, (_, i) => 1e15 + i * 1e6),
    values: Float64Array.from({ length: count }, (_, i) => i / 10),
    codes: new Uint8Array(count),
  });

  it('come back as they went in, in either form', async () => {
    const store = await (await StoreFolder.create()).open();
    const stored = columns(10_000);
    await store.write({ readingColumns: [stored] });
    expect(await store.readingColumns('pump-1.temperature', ...EVER)).toEqual([stored]);
    const rows = await store.readings('pump-1.temperature', 1e12 + 2_000, 1e12 + 4_000, 10);
    expect(rows).toEqual([reading(1e12 + 2_000, 0.2), reading(1e12 + 3_000, 0.3)]);
    expect(await store.lastReadings(['pump-2.x', 'pump-1.temperature'])).toEqual([
      reading(1e12 + 9_999_000, 999.9),
    ]);
    await store.write({ readings: [reading(2e12, 5)] });
    expect(await store.lastReadings(['pump-1.temperature'])).toEqual([reading(2e12, 5)]);
    const [line] = await store.plot({
      point: 'pump-1.temperature',
      fromMs: EVER[0],
      toMs: 1.5e12,
      points: 100,
      method: 'lttb',
    });
    expect(line).toMatchObject({ unit: 'degC', level: 'raw' });
    expect(line!.values).toHaveLength(100);
  });

  it('are refused for good where the columns do not fit each other, or a time is none', async () => {
    const store = await (await StoreFolder.create()).open();
    const wrong = [
      { ...columns(10), codes: new Uint8Array(9) },
      { ...columns(1), timesUs: Float64Array.of(Number.NaN) },
    ];
    for (const one of wrong)
      await expect(store.write({ readingColumns: [one] })).rejects.toMatchObject({ retryable: false });
    await expect(store.write({ readings: [reading(Number.NaN, 1)] })).rejects.toMatchObject({
      retryable: false,
    });
    expect(await store.counts()).toMatchObject({ readings: 0 });
  });
});

describe('waveforms', () => {
  it('come back sample by sample', async () => {
    const store = await (await StoreFolder.create()).open();
    const stored = [
      block(1_000.5, [0.1, -0.2, 3e38, -0, 1e-45]),
      block(2_000, [1, 2], { sequence: 7, quality: 'uncertain', reason: 'clipping', sampleRateHz: 12_000.5 }),
      block(3_000, []),
    ];
    await store.write({ blocks: stored });
    expect(await store.blocks('pump-1.de.acceleration', ...EVER)).toEqual(stored);
  });

  it('takes a part of a larger buffer as it stands, and nothing around it', async () => {
    const store = await (await StoreFolder.create()).open();
    const whole = Float32Array.from({ length: 100 }, (_, i) => i);
    await store.write({ blocks: [block(0, [], { samples: whole.subarray(40, 43) })] });
    const [stored] = await store.blocks('pump-1.de.acceleration', ...EVER);
    expect([...stored!.samples]).toEqual([40, 41, 42]);
  });

  it('are stored once, however often they are delivered', async () => {
    const store = await (await StoreFolder.create()).open();
    const blocks = [block(0, [1, 2]), block(40, [1, 2]), block(40, [1, 3])];
    await store.write({ blocks });
    await store.write({ blocks });
    expect(await store.blocks('pump-1.de.acceleration', ...EVER)).toEqual(blocks);
  });

  it('of any bits come back bit by bit', async () => {
    const store = await (await StoreFolder.create()).open();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.uint32Array({ maxLength: 300 }), async (bits) => {
        const point = `w-${run++}.x`;
        const samples = new Float32Array(Uint32Array.from(bits).buffer);
        await store.write({ blocks: [block(run, [], { point, samples })] });
        const [stored] = await store.blocks(point, ...EVER);
        expect([...new Uint32Array(stored!.samples.slice().buffer)]).toEqual([...bits]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('features and scores', () => {
  it('come back under their names, in their order, in full precision', async () => {
    const store = await (await StoreFolder.create()).open();
    const row = (timeMs: number, features: Record<string, number>): FeatureRow => ({
      point: 'pump-1.de.acceleration',
      timeMs,
      durationMs: 1_000,
      features,
    });
    const rows = [
      row(1, { rms: 0.1, 'band.10-1000.rms': Math.PI, peak: -1e300 }),
      row(2, { rms: 0.2, 'band.10-1000.rms': 2, peak: 3 }),
      row(3, { peak: 1, rms: 2 }),
      row(4, {}),
    ];
    await store.write({ features: rows });
    const stored = await store.features('pump-1.de.acceleration', ...EVER);
    expect(stored).toEqual(rows);
    expect(Object.keys(stored[2]!.features)).toEqual(['peak', 'rms']);
  });

  it('of the same time replace each other, for each model by itself', async () => {
    const store = await (await StoreFolder.create()).open();
    const rows = [score(1), score(1, { version: '4', fallback: 'the model is damaged' }), score(2)];
    await store.write({ scores: [score(1, { score: 0.1 }), ...rows] });
    const stored = await store.scores('pump-1.de.acceleration', ...EVER);
    expect(stored).toHaveLength(3);
    expect(stored).toEqual(expect.arrayContaining(rows));
  });
});

describe('one write', () => {
  it('is whole or not at all, and those beside it are not touched', async () => {
    const store = await (await StoreFolder.create()).open();
    const wrong = store.write({
      readings: [reading(1, 20)],
      // SQLite has no column that takes a unit that is an object.
      scores: [score(1, { correlationId: {} as string })],
    });
    const right = store.write({ readings: [reading(2, 21)] });
    await expect(wrong).rejects.toMatchObject({ code: 'STORE_WRITE', retryable: false });
    await right;
    expect(await store.readings('pump-1.temperature', ...EVER)).toEqual([reading(2, 21)]);
  });

  it('is still complete after a new point whose batch failed', async () => {
    const store = await (await StoreFolder.create()).open();
    const point = 'new.point';
    await expect(
      store.write({
        readings: [reading(1, 1, { point })],
        scores: [score(1, { correlationId: {} as string })],
      }),
    ).rejects.toMatchObject({ retryable: false });
    await store.write({ readings: [reading(2, 2, { point })] });
    expect(await store.readings(point, ...EVER)).toEqual([reading(2, 2, { point })]);
  });

  it('shares its commit with the others of its time', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    await Promise.all(Array.from({ length: 5_000 }, (_, i) => store.write({ readings: [reading(i, i)] })));
    expect(await store.counts()).toMatchObject({ readings: 5_000 });
    const text = await folder.metrics.registry.metrics();
    const commits = Number(/^sm_edge_storage_commits_total (\d+)$/m.exec(text)?.[1]);
    expect(commits).toBeGreaterThan(0);
    expect(commits).toBeLessThan(10);
  });
});

describe('documents and alarm states', () => {
  it('hold the last word, over a restart', async () => {
    const folder = await StoreFolder.create();
    const first = await folder.open();
    await first.write({ documents: [{ key: 'baseline:a', document: { n: 1 } }] });
    await first.write({
      documents: [
        { key: 'baseline:a', document: { n: 2 } },
        { key: 'baseline_b', document: [1] },
      ],
      alarmStates: [{ alarm: 'hot', point: 'a.b', document: { state: 'unacknowledged' } }],
    });
    await first.write({ alarmStates: [{ alarm: 'hot', point: 'a.b', document: { state: 'normal' } }] });
    const store = await folder.reopen();
    expect(await store.document('baseline:a')).toEqual({ n: 2 });
    expect(await store.document('none')).toBeUndefined();
    expect(await store.documents('baseline:')).toEqual([['baseline:a', { n: 2 }]]);
    expect(await store.alarmStates()).toEqual([{ state: 'normal' }]);
  });
});
