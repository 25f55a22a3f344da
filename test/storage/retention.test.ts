import { describe, expect, it } from 'vitest';
import type { RetentionRequest } from '#sm/storage/retention.js';
import { StoreFolder } from '../support/store.js';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 5, 1);
const EVER = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1e9] as const;

/** Readings of two points over the last days, in columns of a day each. */
async function filled(days: number, everyMs = 60_000) {
  const perDay = DAY_MS / everyMs;
  const folder = await StoreFolder.create();
  const store = await folder.open();
  for (let day = days; day > 0; day--) {
    const timesUs = Float64Array.from(
      { length: perDay },
      (_, i) => (NOW_MS - day * DAY_MS + i * everyMs) * 1000,
    );
    const values = timesUs.map((_, i) => Math.sin(i) * 1e3);
    const codes = new Uint8Array(perDay);
    await store.write({
      readingColumns: ['a.x', 'b.x'].map((point) => ({ point, unit: 'degC', timesUs, values, codes })),
      scores: [
        {
          point: 'a.x',
          timeMs: NOW_MS - day * DAY_MS,
          model: 'm',
          version: '1',
          score: 1,
          threshold: 2,
          anomalous: false,
          correlationId: 'c',
        },
      ],
    });
  }
  await store.seal();
  return { folder, store };
}

const request = (keep: Partial<RetentionRequest['keepMs']>, budgetBytes = 1e12): RetentionRequest => ({
  nowMs: NOW_MS,
  budgetBytes,
  keepMs: {
    waveforms: 1e13,
    readings: 1e13,
    features: 1e13,
    events: 1e13,
    minutes: 1e13,
    hours: 1e13,
    days: 1e13,
    ...keep,
  },
});

describe('retention', () => {
  it('takes each kind by its own age, and answers from what is left', async () => {
    const { store } = await filled(10);
    const everything = { point: 'a.x', fromMs: NOW_MS - 10 * DAY_MS, toMs: NOW_MS, buckets: 10 * 24 };
    const before = await store.aggregate(everything);
    expect(before[0]).toMatchObject({ level: 'hour', widthMs: 3_600_000 });
    const { aged } = await store.retention(
      request({ readings: 4 * DAY_MS, minutes: 6 * DAY_MS, features: 2 * DAY_MS }),
    );
    expect(aged).toMatchObject({ readings: 2 * 6 * 1_440, scores: 8, hours: 0, days: 0 });
    const kept = await store.readings('a.x', ...EVER);
    expect(kept).toHaveLength(4 * 1_440);
    expect(kept[0]!.timeMs).toBe(NOW_MS - 4 * DAY_MS);
    // The aggregates remember what the readings were.
    expect(await store.aggregate(everything)).toEqual(before);
    const fine = { ...everything, buckets: 10 * 1_440 };
    const [answer] = await store.aggregate(fine);
    expect(answer!.counts.reduce((sum, count) => sum + count, 0)).toBe(10 * 1_440);
    // A late reading of a day that has only aggregates left is added to them.
    const late = {
      point: 'a.x',
      timeMs: NOW_MS - 9 * DAY_MS + 1,
      value: 5_000,
      unit: 'degC',
      quality: 'good' as const,
    };
    await store.write({ readings: [late] });
    for (const sealed of [false, true]) {
      if (sealed) await store.seal();
      const [after] = await store.aggregate(everything);
      expect(Math.max(...after!.max)).toBe(5_000);
      expect(after!.counts.reduce((sum, count) => sum + count, 0)).toBe(10 * 1_440 + 1);
    }
  });

  it('sheds what the budget does not hold: the oldest readings before any aggregate', async () => {
    const { folder } = await filled(10, 6_000);
    // The log counts too, and is written back into the database when that is closed.
    const store = await folder.reopen();
    const { bytes } = await store.retention(request({}));
    const { shed, overBudget } = await store.retention(request({}, Math.floor(bytes * 1.05)));
    expect(Object.keys(shed)).toEqual(['readings']);
    expect(overBudget).toBe(false);
    const kept = await store.readings('a.x', ...EVER);
    expect(kept.length).toBeGreaterThan(100_000);
    expect(kept.length).toBeLessThan(144_000);
    expect(kept.at(-1)!.timeMs).toBe(NOW_MS - 6_000);
    const all = { point: 'a.x', fromMs: NOW_MS - 10 * DAY_MS, toMs: NOW_MS, buckets: 10 };
    const [days] = await store.aggregate(all);
    expect([...days!.counts]).toEqual(Array.from({ length: 10 }, () => 14_400));
  });
});
