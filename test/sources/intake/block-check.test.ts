import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { PlantMachines } from '#sm/simulator/plant.js';
import { toRaw } from '#sm/simulator/serial-output.js';
import { checkBlock } from '#sm/sources/intake/block-check.js';
import { DEFAULT_RULE } from '#sm/sources/intake/config.js';

const RATE = 10_000;

function block(samples: Float32Array | number[], unit = 'g') {
  return {
    point: 'm.p.acceleration',
    startTimeMs: 0,
    sampleRateHz: RATE,
    unit,
    samples: Float32Array.from(samples),
    quality: 'good',
  } as const;
}

function vibration(length = 4096, amplitude = 1): Float32Array {
  const random = seededRandom(3);
  return Float32Array.from(
    { length },
    (_, i) => amplitude * (Math.sin((2 * Math.PI * 53.7 * i) / RATE) + 0.2 * gaussian(random)),
  );
}

const judged = (samples: Float32Array | number[], rule = {}, unit = 'g') =>
  checkBlock(block(samples, unit), { ...DEFAULT_RULE, ...rule });

describe('the check of a block of samples', () => {
  it('finds nothing wrong with a real signal, fine or coarse, quiet or loud', () => {
    expect(judged(vibration())).toBeUndefined();
    expect(judged(vibration(4096, 1e-4))).toBeUndefined();
    // Eight bits of which a quiet machine uses three: flat tops by nature.
    expect(judged(vibration().map((value) => Math.round(3 * value) / 3))).toBeUndefined();
    // Gravity on a MEMS sensor.
    expect(judged(vibration(4096, 0.02).map((value) => value + 1))).toBeUndefined();
    expect(judged([1, 1, 1, 1])).toBeUndefined();
  });

  it('finds nothing wrong with the machines of the virtual plant', () => {
    const machines = new PlantMachines({ random: seededRandom(5), faultAfterMs: 0, faultGrowthMs: 4_000 });
    for (let step = 0; step < 30; step++) {
      const { pump, fan } = machines.next(step * 160);
      const raw = Float32Array.from(toRaw(pump.de), (value) => (value * 25) / 32_768);
      for (const samples of [raw, pump.nde, fan.casing, fan.sound]) expect(judged(samples)).toBeUndefined();
    }
  });

  it('tells a dead sensor from a drop-out', () => {
    expect(judged(new Float32Array(1000))).toMatchObject({ quality: 'bad', reason: 'constant' });
    const interrupted = vibration().fill(0.25, 1000, 1300);
    expect(judged(interrupted)).toMatchObject({ quality: 'bad', reason: 'dropout' });
    expect(judged(interrupted)!.text).toContain('30 ms');
    expect(judged(interrupted, { dropout: 50 })).toBeUndefined();
    expect(judged(interrupted, { ignore: ['dropout'] })).toBeUndefined();
  });

  it('finds clipping with a full scale that is known, and without', () => {
    const cut = vibration().map((value) => Math.max(-1, Math.min(1, value)));
    expect(judged(cut)).toMatchObject({ quality: 'uncertain', reason: 'clipping' });
    expect(judged(cut, { fullScale: 1 })).toMatchObject({ quality: 'uncertain', reason: 'clipping' });
    expect(judged(cut, { fullScale: 2 })).toBeUndefined();
    const oneSided = vibration().map((value) => Math.min(0.9, value));
    expect(judged(oneSided)).toMatchObject({ quality: 'uncertain', reason: 'clipping' });
    const railed = vibration().map((value) => Math.max(-0.3, Math.min(0.3, value)));
    expect(judged(railed)).toMatchObject({ quality: 'bad', reason: 'clipping' });
  });

  it('finds an offset', () => {
    expect(judged(vibration().map((value) => value + 40))).toMatchObject({
      quality: 'uncertain',
      reason: 'dc-offset',
    });
    expect(
      judged(
        vibration().map((value) => value + 0.3),
        { dcOffset: 0.2 },
      ),
    ).toMatchObject({ reason: 'dc-offset' });
    expect(
      judged(
        vibration().map((value) => value + 3),
        { fullScale: 5 },
        'Pa',
      ),
    ).toMatchObject({
      reason: 'dc-offset',
    });
  });

  it('finds a run wherever it starts and whatever its length, and none that is too short', () => {
    const threshold = Math.max(16, (DEFAULT_RULE.dropout * RATE) / 1000);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 2, max: 99 }), (from, length) => {
        const samples = vibration(1000);
        samples.fill(0.123456, from, from + length);
        const stood = Math.min(length, samples.length - from);
        expect(judged(samples)?.reason).toBe(stood >= threshold ? 'dropout' : undefined);
      }),
      { numRuns: 300 },
    );
  });

  it('finds two flat tops wherever they lie, on either side', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 500, max: 900 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1, -1),
        (first, second, length, side) => {
          const samples = vibration(1000);
          for (const from of [first, second]) samples.fill(side * 1.9, from, from + length);
          expect(judged(samples)?.reason).toBe(length >= 3 ? 'clipping' : undefined);
        },
      ),
      { numRuns: 300 },
    );
  });
});
