import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { SeasonalProfile } from '#sm/features/season.js';
import { TrendWindow } from '#sm/features/trend.js';

const T0 = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

/** Slope per hour and mean square around the line, straight from the definition. */
function fit(points: readonly (readonly [number, number])[]) {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const t = points.map(([ms]) => (ms - points[0]![0]) / HOUR);
  const v = points.map(([, value]) => value);
  const [tMean, vMean] = [mean(t), mean(v)];
  const slope = mean(t.map((x, i) => (x - tMean) * (v[i]! - vMean))) / mean(t.map((x) => (x - tMean) ** 2));
  const variance = mean(t.map((x, i) => (v[i]! - vMean - slope * (x - tMean)) ** 2));
  return { slope, variance, mean: vMean };
}

describe('a trend window', () => {
  it('has slope, variance and extremes of a noisy ramp, at irregular times', () => {
    const random = seededRandom(3);
    const window = new TrendWindow({ windowMs: 64 * MINUTE });
    const points: [number, number][] = [];
    for (let ms = T0; ms < T0 + 60 * MINUTE; ms += 1000 + 20_000 * random()) {
      const value = 41.5 + (2.5 * (ms - T0)) / HOUR + 0.2 * gaussian(random);
      points.push([ms, value]);
      expect(window.add(ms, value)).toBe(true);
    }
    const features = window.features()!;
    const expected = fit(points);
    expect(Math.abs(features.slopePerH / expected.slope - 1)).toBeLessThan(1e-9);
    expect(Math.abs(features.variance / expected.variance - 1)).toBeLessThan(1e-9);
    expect(Math.abs(features.mean / expected.mean - 1)).toBeLessThan(1e-9);
    expect(features.minimum).toBe(Math.min(...points.map(([, value]) => value)));
    expect(features.maximum).toBe(Math.max(...points.map(([, value]) => value)));
    expect(features.readings).toBe(points.length);
    expect(features.seasonal).toBe(0);
  });

  it('has the slope, rate and variance of scipy.stats.linregress', () => {
    const { trend } = JSON.parse(
      readFileSync(new URL('../fixtures/reference/signals.json', import.meta.url), 'utf8'),
    );
    const window = new TrendWindow({ windowMs: 64 * MINUTE });
    const startMs = Math.floor(T0 / MINUTE) * MINUTE;
    trend.values.forEach((value: number, i: number) => {
      window.add(startMs + trend.timesS[i] * 1000, value);
    });
    const features = window.features()!;
    for (const name of ['slopePerH', 'ratePerH', 'variance', 'mean'] as const)
      expect(Math.abs(features[name] / trend[name] - 1), name).toBeLessThan(1e-9);
  });

  it('forgets what is older than the window, also after a year', () => {
    const window = new TrendWindow({ windowMs: HOUR });
    const slopeOf = (ms: number) => (ms < T0 + 300 * DAY ? 1 : -3);
    let value = 20;
    for (const fromMs of [T0, T0 + 200 * DAY, T0 + 300 * DAY, T0 + 365 * DAY]) {
      for (let ms = fromMs; ms < fromMs + 8 * HOUR; ms += MINUTE) {
        value += slopeOf(ms) / 60;
        window.add(ms, value);
      }
      const features = window.features()!;
      expect(features.slopePerH).toBeCloseTo(slopeOf(fromMs), 6);
      expect(features.variance).toBeLessThan(1e-9);
      expect(features.readings).toBeLessThanOrEqual(61);
    }
  });

  it('tells what the signal does now from what it did', () => {
    const window = new TrendWindow({ windowMs: HOUR });
    for (let s = 0; s < 3600; s += 10) window.add(T0 + s * 1000, 30 + Math.max(0, s - 3300) * 0.01);
    const { slopePerH, ratePerH } = window.features()!;
    expect(ratePerH).toBeGreaterThan(20);
    expect(slopePerH).toBeLessThan(ratePerH / 4);
  });

  it('leaves out readings that are no number or too old, and says nothing of too few', () => {
    const window = new TrendWindow({ windowMs: HOUR });
    expect(window.add(T0, Number.NaN)).toBe(false);
    expect(window.features()).toBeUndefined();
    window.add(T0, 1);
    window.add(T0, 2);
    window.add(T0, 3);
    expect(window.features()).toBeUndefined();
    expect(window.add(T0 - 2 * HOUR, 1)).toBe(false);
    // Late, but within the window.
    expect(window.add(T0 - HOUR / 2, 1)).toBe(true);
    expect(window.features()!.slopePerH).toBeCloseTo(2, 9);
    expect(() => new TrendWindow({ windowMs: 10 })).toThrow(
      expect.objectContaining({ code: 'TREND_WINDOW' }),
    );
  });
});

describe('a season', () => {
  const course = (ms: number) =>
    4 * Math.sin((2 * Math.PI * ms) / DAY) + 1.5 * Math.sin((4 * Math.PI * ms) / DAY + 1);
  const run = (days: number, slopePerH: number, window: TrendWindow) => {
    for (let ms = T0; ms < T0 + days * DAY; ms += 5 * MINUTE)
      window.add(ms, 50 + course(ms) + (slopePerH * (ms - T0)) / HOUR);
    return window.features()!;
  };

  it('is taken out of slope and variance once it was learned', () => {
    const plain = run(8.3, 0.02, new TrendWindow({ windowMs: 6 * HOUR }));
    const seasonal = run(8.3, 0.02, new TrendWindow({ windowMs: 6 * HOUR, seasonMs: DAY }));
    expect(Math.abs(plain.slopePerH - 0.02)).toBeGreaterThan(0.2);
    expect(Math.abs(seasonal.slopePerH - 0.02)).toBeLessThan(0.005);
    expect(seasonal.variance).toBeLessThan(plain.variance / 50);
    expect(seasonal.seasons).toBe(7);
    expect(seasonal.seasonal).toBeCloseTo(course(T0 + 8.3 * DAY - 5 * MINUTE), 0);
  });

  it('is nothing before two of them were seen', () => {
    const window = new TrendWindow({ windowMs: 6 * HOUR, seasonMs: DAY });
    expect(run(1.9, 0, window).seasons).toBe(0);
  });

  it('is kept over a restart, unless it is of another length or damaged', () => {
    const window = new TrendWindow({ windowMs: 6 * HOUR, seasonMs: DAY });
    run(4, 0, window);
    const kept = JSON.parse(JSON.stringify(window.season));
    const again = new SeasonalProfile(DAY);
    expect(again.restore(kept)).toBe(true);
    expect(again.at(T0 + 5 * HOUR)).toBeCloseTo(window.season!.at(T0 + 5 * HOUR), 12);
    for (const bad of [
      undefined,
      {},
      { ...kept, seasonMs: HOUR },
      { ...kept, profile: [1] },
      { ...kept, seasons: -1 },
    ])
      expect(new SeasonalProfile(DAY).restore(bad)).toBe(false);
    expect(() => new SeasonalProfile(10)).toThrow(expect.objectContaining({ code: 'TREND_SEASON' }));
  });
});
