import { describe, expect, it } from 'vitest';
import { analysisConfigSchema, applyRule, ruleFor } from '#sm/features/analysis-config.js';
import { rateRatio } from '#sm/features/conditioning.js';
import { createExtractor } from '#sm/features/extractor.js';
import type { AnalysisSpec } from '#sm/features/spec.js';

const RATE = 25_600;
const LENGTH = 16_384;
const SPEC: AnalysisSpec = { sampleRateHz: RATE, blockLength: LENGTH, unit: 'g', quantity: 'acceleration' };

const sines = (...lines: readonly (readonly [hz: number, amplitude: number])[]) =>
  Float32Array.from({ length: LENGTH }, (_, i) =>
    lines.reduce((sum, [hz, amplitude]) => sum + amplitude * Math.sin((2 * Math.PI * hz * i) / RATE), 0),
  );

async function features(spec: AnalysisSpec, samples: Float32Array) {
  const extractor = await createExtractor(spec);
  try {
    expect(Object.keys(extractor.extract(samples))).toEqual(extractor.names);
    return extractor.extract(samples);
  } finally {
    extractor.close();
  }
}

describe('rules of analysis', () => {
  const { points } = analysisConfigSchema.parse({
    points: [
      {
        point: 'pump-1.*.acceleration',
        window: 'flat-top',
        highPassHz: 5,
        sampleRateHz: 12_800,
        block: 8192,
      },
      {
        point: '*',
        segment: 2048,
        segmentOverlap: 0.75,
        averaging: 'peak-hold',
        detail: 'full',
        overlap: 0.5,
      },
    ],
  });

  it('hold for the points that they name, the first that matches', () => {
    expect(ruleFor(points, 'pump-1.bearing-de.acceleration')?.window).toBe('flat-top');
    expect(ruleFor(points, 'pump-11.bearing-de.acceleration')?.overlap).toBe(0.5);
    expect(ruleFor([], 'pump-1.bearing-de.acceleration')).toBeUndefined();
  });

  it('change the spec', () => {
    expect(applyRule(SPEC, points[0])).toEqual({
      ...SPEC,
      blockLength: 8192,
      window: 'flat-top',
      conditioning: { highPassHz: 5, sampleRateHz: 12_800 },
    });
    expect(applyRule(SPEC, points[1])).toEqual({
      ...SPEC,
      detail: 'full',
      spectrum: { segment: 2048, overlap: 0.75, averaging: 'peak-hold' },
    });
    expect(applyRule(SPEC, undefined)).toBe(SPEC);
  });

  it('refuse a window that does not exist and an unknown key', () => {
    for (const rule of [{ point: '*', window: 'gauss' }, { point: '*', hop: 3 }, {}])
      expect(analysisConfigSchema.safeParse({ points: [rule] }).success).toBe(false);
  });
});

describe('conditioning', () => {
  it('takes drift and bias away and leaves the vibration', async () => {
    const vibration = sines([200, 1]);
    const drifting = vibration.map((value, i) => value + 4 + 3 * Math.sin((2 * Math.PI * 0.8 * i) / RATE));
    const plain = await features(SPEC, drifting);
    const clean = await features({ ...SPEC, conditioning: { highPassHz: 10 } }, drifting);
    expect(plain.rms).toBeGreaterThan(1);
    expect(Math.abs(clean.rms! / Math.SQRT1_2 - 1)).toBeLessThan(0.03);
  });

  it.each([12_800, 6400, 16_000, 51_200])('analyses at %d Hz', async (sampleRateHz) => {
    const f = await features(
      { ...SPEC, speedRpm: 300 * 60, conditioning: { sampleRateHz } },
      sines([300, 1]),
    );
    expect(Math.abs(f['order.1x']! - 1)).toBeLessThan(0.01);
    expect(Math.abs(f.spectralCentroidHz! - 300)).toBeLessThan(5);
  });

  it('folds nothing down from above the new half rate', async () => {
    // 12,000 Hz would appear at 800 Hz if every second sample were merely dropped.
    const f = await features({ ...SPEC, conditioning: { sampleRateHz: 12_800 } }, sines([12_000, 1]));
    expect(f.rms).toBeLessThan(0.01);
  });

  it('finds whole numbers for a rate, or says that there are none', () => {
    expect(rateRatio(44_100, 48_000)).toEqual({ up: 160, down: 147 });
    expect(rateRatio(25_600, 25_600)).toEqual({ up: 1, down: 1 });
    expect(rateRatio(6_666.5, 13_333)).toEqual({ up: 2, down: 1 });
    expect(() => rateRatio(25_600, 12_799.9)).toThrow(expect.objectContaining({ code: 'RESAMPLE_RATIO' }));
  });
});

describe('averaging within a block', () => {
  it('is lower in variance when linear and highest when the peak is held', async () => {
    const block = sines([1000, 1]).fill(0, LENGTH / 2);
    const of = (averaging: 'linear' | 'exponential' | 'peak-hold') =>
      features({ ...SPEC, spectrum: { segment: 1024, averaging } }, block);
    const band = 'band.100-1000.rms';
    const [linear, exponential, peak] = [await of('linear'), await of('exponential'), await of('peak-hold')];
    // The tone stands in the first half only: the mean has half its power, the last blocks nothing, the peak all.
    const share = (linear[band]! / peak[band]!) ** 2;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.55);
    expect(exponential[band]!).toBeLessThan(linear[band]!);
  });
});
