import { describe, expect, it } from 'vitest';
import { SmEdgeError } from '#sm/base/errors.js';
import { DriftWatch } from '#sm/pipeline/commissioning/drift-watch.js';
import { afterError, observe } from '#sm/pipeline/commissioning/observe.js';
import { type CommissioningRecord, newRecord, parseRecord } from '#sm/pipeline/commissioning/record.js';
import { sentenceOf } from '#sm/pipeline/commissioning/sentence.js';

const POINT = 'pump-1.bearing-de.acceleration';
const HOUR_MS = 3_600_000;
const window = (changes: object = {}) => ({
  ...{ point: POINT, timeMs: 5_000, durationMs: 1_000, features: { rms: 1, velocityRmsMmPerS: 1 } },
  ...{ state: 'speed-1480', trouble: undefined, size: undefined },
  ...changes,
});
const begun = newRecord(POINT, 'anna', HOUR_MS, 0);
const seen = (record: CommissioningRecord, windows: readonly object[]): CommissioningRecord =>
  windows.reduce<CommissioningRecord>((before, one) => observe(before, window(one)), record);

describe('counting healthy hours', () => {
  it('counts steady states apart, and says what does not count', () => {
    const record = seen(begun, [
      { timeMs: 9_000 },
      { timeMs: 10_000, state: 'speed-740' },
      { timeMs: 11_000, state: undefined },
      { timeMs: 12_000, trouble: 'the alarm hot of pump-1.temperature stands' },
    ]);
    expect(record.healthyMs).toEqual({ 'speed-1480': 1_000, 'speed-740': 1_000 });
    expect(record).toMatchObject({ firstMs: 9_000, lastMs: 13_000, windows: 2 });
    expect(Object.values(record.leftOutMs)).toEqual([1_000, 1_000]);
    expect(sentenceOf(record)).toBe(
      '2s of 1h healthy running (speed-1480 1s, speed-740 1s); the alarm hot of pump-1.temperature stands: this time does not count',
    );
    expect(parseRecord(JSON.parse(JSON.stringify(record)))).toEqual(record);
  });

  it('a machine in zone D is held after half a minute, unless somebody vouches for it', () => {
    const loud = { size: { powerKw: 37, mounting: 'rigid' }, features: { velocityRmsMmPerS: 9 } };
    const many = Array.from({ length: 40 }, () => loud);
    expect(seen(begun, many)).toMatchObject({ state: 'held', windows: 30 });
    expect(seen({ ...begun, vouchedBy: 'anna' }, many)).toMatchObject({ state: 'collecting', windows: 40 });
  });

  it('too little is waited for, what cannot be mended ends it', () => {
    const few = afterError(begun, new SmEdgeError('TRAINING_TOO_FEW', 'too few'));
    expect(few).toMatchObject({ state: 'collecting', neededMs: 600_000, says: 'too few: it takes longer' });
    const golden = afterError(begun, new SmEdgeError('MODEL_GOLDEN', 'differs', { hint: 'compare' }));
    expect(golden).toMatchObject({ state: 'failed', says: 'differs. compare' });
  });
});

describe('drift of a learned point', () => {
  const histograms = { rms: { edges: [1, 2, 3], counts: [25, 25, 25, 25] } };
  const training = { data: 'synthetic', terms: 'synthetic', samples: 100, histograms };
  const reference = () => ({ training });
  const day = (watch: DriftWatch, level: number, fromMs: number): number | undefined => {
    let last: number | undefined;
    for (let i = 0; i <= 1_000; i++) {
      const features = { rms: level + (i % 4) };
      last = watch.add(POINT, 'pump/1', fromMs + i * 86_400, features, reference) ?? last;
    }
    return last;
  };

  it('is told once a day: none while the machine runs as it was learned, much when it moved', () => {
    const watch = new DriftWatch();
    expect(day(watch, 0.5, 0)).toBeLessThan(0.01);
    expect(day(watch, 2.5, 86_400_000)).toBeGreaterThan(0.5);
  });

  it('says nothing of a day with few windows', () => {
    const watch = new DriftWatch();
    watch.add(POINT, 'pump/1', 0, { rms: 9 }, reference);
    expect(watch.add(POINT, 'pump/1', 90_000_000, { rms: 9 }, reference)).toBeUndefined();
  });
});
