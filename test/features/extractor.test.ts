import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { createExtractor } from '#sm/features/extractor.js';
import type { AnalysisSpec } from '#sm/features/spec.js';

const RATE = 25_600;
const LENGTH = 32_768;

function sine(frequencyHz: number, amplitude: number, length = LENGTH, rate = RATE): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => amplitude * Math.sin((2 * Math.PI * frequencyHz * i) / rate + 0.3),
  );
}

const spec = (more: Partial<AnalysisSpec> = {}): AnalysisSpec => ({
  sampleRateHz: RATE,
  blockLength: LENGTH,
  unit: 'g',
  quantity: 'acceleration',
  ...more,
});

async function features(samples: Float32Array, more: Partial<AnalysisSpec> = {}) {
  const extractor = await createExtractor(spec({ blockLength: samples.length, ...more }));
  try {
    const vector = extractor.extract(samples);
    expect(Object.keys(vector)).toEqual(extractor.names);
    for (const value of Object.values(vector)) expect(Number.isFinite(value)).toBe(true);
    return vector;
  } finally {
    extractor.close();
  }
}

describe('vibration features', () => {
  it('measures a sine as theory says', async () => {
    const f = await features(sine(159.2, 2));
    expect(f.rms).toBeCloseTo(Math.SQRT2, 3);
    expect(f.crestFactor).toBeCloseTo(Math.SQRT2, 2);
    expect(f.kurtosis).toBeCloseTo(1.5, 2);
    expect(f.peakToPeak).toBeCloseTo(4, 2);
  });

  // 1 g RMS at f is 9.80665 / (2 pi f) m/s RMS.
  it.each([12.3, 20, 49.7, 159.2, 333.3, 987.6])('gives the velocity of %d Hz within 0.5 %', async (hz) => {
    const f = await features(sine(hz, Math.SQRT2));
    const velocityMmPerS = (9.80665 / (2 * Math.PI * hz)) * 1000;
    expect(Math.abs(f.velocityRmsMmPerS! / velocityMmPerS - 1)).toBeLessThan(0.005);
    const displacementUm = (2 * Math.SQRT2 * velocityMmPerS * 1000) / (2 * Math.PI * hz);
    expect(Math.abs(f.displacementPeakToPeakUm! / displacementUm - 1)).toBeLessThan(0.01);
  });

  it('passes over what lies outside the band of ISO 20816', async () => {
    const f = await features(sine(1500, 1));
    expect(f.velocityRmsMmPerS).toBeLessThan(0.001);
    const slow = await features(sine(5, 1, 131_072), { speedRpm: 300 });
    expect(slow.velocityRmsMmPerS).toBeGreaterThan(200);
    const fast = await features(sine(5, 1, 131_072), { speedRpm: 3000 });
    expect(fast.velocityRmsMmPerS).toBeLessThan(1);
  });

  it('reads the amplitude of a shaft order between bins', async () => {
    const f = await features(sine(29.37, 0.7), { speedRpm: 29.37 * 60 });
    expect(f['order.1x']).toBeCloseTo(0.7, 3);
    expect(f['order.2x']).toBeLessThan(0.001);
  });

  it('reads any sine within 0.1 % through the flat-top window', async () => {
    for (const hz of [40, 100.03, 333.333, 1234.56, 4000.7]) {
      const f = await features(sine(hz, 3, 8192), { speedRpm: hz * 60, window: 'flat-top' });
      expect(Math.abs(f['order.1x']! / 3 - 1)).toBeLessThan(0.001);
    }
  });

  it('leaves out what it cannot compute', async () => {
    const names = Object.keys(await features(sine(100, 1)));
    for (const name of ['order.1x', 'bpfo', 'gmf']) expect(names).not.toContain(name);
    const unitless = Object.keys(await features(sine(100, 1), { unit: 'counts' }));
    expect(unitless).not.toContain('velocityRmsMmPerS');
  });

  it.each([1, 31, 32, 100, 1023, 1024, 10_007, 20_480])('works on a block of %d samples', async (length) => {
    const f = await features(sine(1000, 1, length));
    expect(f.rms).toBeGreaterThanOrEqual(0);
  });

  it('gives zeros, not NaN, for silence and a constant', async () => {
    for (const level of [0, 3.7]) {
      const f = await features(new Float32Array(LENGTH).fill(level), { speedRpm: 1800 });
      expect(f.rms).toBe(0);
      expect(f.crestFactor).toBe(0);
    }
  });

  it('finds the ball pass frequency of impacts on the outer race', async () => {
    const bearing = { balls: 9, ballDiameterMm: 7.94, pitchDiameterMm: 39.04, contactAngleDeg: 0 };
    const random = seededRandom(7);
    const samples = Float32Array.from({ length: LENGTH }, () => 0.05 * gaussian(random));
    const bpfoHz = 107.4;
    for (let impact = 0; impact * (RATE / bpfoHz) < LENGTH; impact++) {
      const start = Math.round(impact * (RATE / bpfoHz));
      for (let i = start; i < Math.min(LENGTH, start + 400); i++) {
        const t = (i - start) / RATE;
        samples[i]! += Math.exp(-900 * t) * Math.sin(2 * Math.PI * 4200 * t);
      }
    }
    const f = await features(samples, { speedRpm: 1797, bearing });
    expect(f.bpfo).toBeGreaterThan(2 * f.bpfi!);
    expect(f.bpfo).toBeGreaterThan(5 * f.bsf!);
    expect(f.spectralKurtosisMax).toBeGreaterThan(3);
  });
});

describe('sound features', () => {
  it('tells the level over 20 uPa', async () => {
    const f = await features(sine(1000, Math.SQRT2, 16_000, 16_000), {
      sampleRateHz: 16_000,
      unit: 'Pa',
      quantity: 'sound-pressure',
    });
    expect(f.levelDb).toBeCloseTo(93.98, 1);
    expect(f['mel.39']).toBeDefined();
    expect(f.velocityRmsMmPerS).toBeUndefined();
  });
});
