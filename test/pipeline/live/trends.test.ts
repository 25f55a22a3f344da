import { describe, expect, it } from 'vitest';
import { analysisConfigSchema } from '#sm/features/analysis-config.js';
import { SEASON_PREFIX, Trends } from '#sm/pipeline/live/trends.js';
import type { Reading } from '#sm/signals/reading.js';

const POINT = 'pump-1.bearing-de.temperature';
const T0 = 1_700_000_000_000;
const MINUTE = 60_000;
const DAY = 86_400_000;

const rulesOf = (...trends: object[]) => analysisConfigSchema.parse({ trends }).trends;
const reading = (timeMs: number, value: number, point = POINT): Reading => ({
  point,
  timeMs,
  value,
  unit: 'degC',
  quality: 'good',
});

/** All that comes of a signal with one reading a minute. */
function run(trends: Trends, untilMs: number, value: (ms: number) => number) {
  const results = [];
  for (let ms = 0; ms < untilMs; ms += MINUTE) {
    const result = trends.add(reading(T0 + ms, value(ms)));
    if (result !== undefined) results.push(result);
  }
  return results;
}

describe('trends of scalar points', () => {
  it('are rows of features, one at each interval', () => {
    const trends = new Trends(analysisConfigSchema.parse({}).trends);
    const results = run(trends, 61 * MINUTE, (ms) => 40 + (3 * ms) / 3_600_000);
    expect(results).toHaveLength(6);
    const [row] = results[5]!.batch.features!;
    expect(row).toMatchObject({ point: POINT, timeMs: T0, durationMs: 3_600_000 });
    expect(row!.features['trend.slopePerH']).toBeCloseTo(3, 9);
    expect(row!.features['trend.variance']).toBeCloseTo(0, 9);
    expect(results[5]!.derived).toEqual([]);
  });

  it('become points of their own where that is asked for', () => {
    const trends = new Trends(rulesOf({ point: '*.temperature', publish: true }));
    const [first] = run(trends, 11 * MINUTE, (ms) => 40 + (3 * ms) / 3_600_000);
    expect(first!.derived.map(({ point, unit }) => [point, unit])).toEqual([
      [`${POINT}.slope`, 'degC/h'],
      [`${POINT}.rate`, 'degC/h'],
    ]);
    expect(first!.derived[0]!.value).toBeCloseTo(3, 9);
    expect(first!.batch.readings).toEqual(first!.derived);
  });

  it('follow the first rule that matches, and nothing without one', () => {
    const trends = new Trends(rulesOf({ point: 'fan-*' }));
    expect(run(trends, 60 * MINUTE, () => 1)).toEqual([]);
  });

  it('keep the course of a season over a restart', () => {
    const rules = rulesOf({ point: '*', window: '6h', season: '1d' });
    const course = (ms: number) => 50 + 4 * Math.sin((2 * Math.PI * (T0 + ms)) / DAY);
    const documents = run(new Trends(rules), 4 * DAY, course).flatMap(({ batch }) => batch.documents ?? []);
    const { key, document } = documents[documents.length - 1]!;
    expect(key).toBe(`${SEASON_PREFIX}${POINT}`);
    const restarted = new Trends(rules, [[POINT, JSON.parse(JSON.stringify(document))]]);
    const results = run(restarted, DAY / 2, course);
    const last = results[results.length - 1]!.batch.features![0]!.features;
    // The sine alone would rise and fall by 1 degC an hour.
    expect(Math.abs(last['trend.slopePerH']!)).toBeLessThan(0.05);
    expect(last['trend.seasons']).toBeGreaterThan(1);
  });
});
