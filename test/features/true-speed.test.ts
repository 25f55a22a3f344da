import { describe, expect, it } from 'vitest';
import { bearingOrders } from '#sm/features/bearing-orders.js';
import { parseBearing } from '#sm/features/bearings.js';
import { createExtractor } from '#sm/features/extractor.js';
import type { AnalysisSpec, FeatureVector } from '#sm/features/spec.js';
import { vibrationOf } from '../diagnosis/virtual-machine.js';

const bearing = parseBearing('6205');
const shaftHz = 24.6;
const machine = {
  sampleRateHz: 12_800,
  durationS: 4,
  shaftHz,
  orders: { 1: 1, 2: 0.6, 3: 0.5, 4: 0.3, 5: 0.2 },
  defect: {
    frequencyHz: bearingOrders(bearing).bpfo * shaftHz,
    shock: 2,
    resonanceHz: 3000,
    modulationHz: 0,
  },
};

async function featuresOf(samples: Float32Array, rest: Partial<AnalysisSpec>): Promise<FeatureVector> {
  const extractor = await createExtractor({
    sampleRateHz: 12_800,
    blockLength: samples.length,
    unit: 'g',
    quantity: 'acceleration',
    ...rest,
  });
  try {
    return extractor.extract(samples);
  } finally {
    extractor.close();
  }
}

describe('features of a machine whose nameplate is wrong', () => {
  it.each([0.93, 0.96, 1.04, 1.07])('by %d are those of the true speed', async (share) => {
    const samples = vibrationOf(machine);
    const truth = await featuresOf(samples, { bearing, speedRpm: shaftHz * 60 });
    const wrong = await featuresOf(samples, { bearing, speedRpm: shaftHz * 60 * share });
    for (const name of ['order.1x', 'order.2x', 'order.3x', 'order.4x'])
      expect(wrong[name]! / truth[name]!, name).toBeCloseTo(1, 3);
    expect(wrong.bpfo! / truth.bpfo!).toBeGreaterThan(0.7);
    expect(wrong.bpfo! / truth.bpfo!).toBeLessThan(1.4);
  });

  it('stay those of the nameplate where the signal names no speed', async () => {
    const samples = vibrationOf({ sampleRateHz: 12_800, durationS: 4, shaftHz });
    const vector = await featuresOf(samples, { bearing, speedRpm: 1500 });
    expect(vector['order.1x']).toBeLessThan(0.01);
  });
});

describe('features of a gear', () => {
  const teeth = 31;
  const gearOf = (side: number) => ({
    sampleRateHz: 12_800,
    durationS: 4,
    shaftHz,
    noise: 0.01,
    orders: {
      1: 0.5,
      2: 0.3,
      3: 0.3,
      [teeth]: 0.8,
      [teeth - 1]: side,
      [teeth + 1]: side,
      [teeth + 2]: side / 2,
    },
  });

  it('tell sound teeth from worn ones, at a wrong nameplate too', async () => {
    for (const share of [0.95, 1]) {
      const spec = { gear: { teeth }, speedRpm: shaftHz * 60 * share };
      const sound = await featuresOf(vibrationOf(gearOf(0.02)), spec);
      const worn = await featuresOf(vibrationOf(gearOf(0.5)), spec);
      expect(sound['gear.sidebands']).toBeLessThan(0.1);
      expect(worn['gear.sidebands']).toBeGreaterThan(0.7);
      for (const name of ['gear.fm0', 'gear.fm4', 'gear.na4', 'gmf'])
        expect(worn[name], name).toBeGreaterThan(0);
      expect(worn['gear.fm0']!).toBeGreaterThan(sound['gear.fm0']!);
    }
  });

  it('are not there where the teeth pass too fast for the sample rate', async () => {
    const vector = await featuresOf(vibrationOf(gearOf(0)), { gear: { teeth: 400 }, speedRpm: 1476 });
    expect(Object.keys(vector).filter((name) => name.startsWith('gear.') || name === 'gmf')).toEqual([]);
  });
});
