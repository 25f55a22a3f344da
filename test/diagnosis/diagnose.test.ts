import { describe, expect, it } from 'vitest';
import { type Diagnosis, diagnose } from '#sm/diagnosis/diagnose.js';
import { bearingOrders } from '#sm/features/bearing-orders.js';
import { parseBearing } from '#sm/features/bearings.js';
import type { AnalysisSpec } from '#sm/features/spec.js';
import { type VirtualMachine, vibrationOf } from './virtual-machine.js';

/** Rigs that no data set has: bearing, speed, sample rate, seconds, resonance. */
const RIGS = [
  { bearing: '6210', rpm: 2940, rate: 25_600, s: 2, resonanceHz: 4300 },
  { bearing: '6310', rpm: 1480, rate: 25_600, s: 4, resonanceHz: 2600 },
  { bearing: '6008', rpm: 985, rate: 12_800, s: 6, resonanceHz: 3100 },
  { bearing: '6206', rpm: 3560, rate: 51_200, s: 2, resonanceHz: 9000 },
  { bearing: '13,8.731,65,0', rpm: 590, rate: 20_000, s: 8, resonanceHz: 5200 },
  { bearing: '11,11.5,62,25', rpm: 1770, rate: 32_000, s: 3, resonanceHz: 3600 },
] as const;

const RUN_OF_THE_MILL = { 1: 0.4, 2: 0.3, 3: 0.35, 4: 0.2, 5: 0.1, 6: 0.05 };

async function verdict(machine: VirtualMachine, declaredRpm: number, bearing?: string): Promise<Diagnosis> {
  const samples = vibrationOf(machine);
  const spec: AnalysisSpec = {
    sampleRateHz: machine.sampleRateHz,
    blockLength: samples.length,
    unit: 'g',
    quantity: 'acceleration',
    speedRpm: declaredRpm,
    ...(bearing === undefined ? {} : { bearing: parseBearing(bearing) }),
  };
  const diagnosis = await diagnose([samples], spec);
  expect(diagnosis.confidence).toBeGreaterThanOrEqual(0);
  expect(diagnosis.confidence).toBeLessThanOrEqual(1);
  expect(diagnosis.sentence).toMatch(/^[A-Z].*\.$/);
  return diagnosis;
}

describe.each(RIGS)('a $bearing at $rpm rpm', ({ bearing, rpm, rate, s, resonanceHz }) => {
  const orders = bearingOrders(parseBearing(bearing));
  const shaftHz = rpm / 60;
  const machine = { sampleRateHz: rate, durationS: s, shaftHz, orders: RUN_OF_THE_MILL };
  const parts = [
    { fault: 'outer', feature: 'bpfo', order: orders.bpfo, modulation: 0 },
    { fault: 'inner', feature: 'bpfi', order: orders.bpfi, modulation: 1 },
    { fault: 'ball', feature: '2xbsf', order: 2 * orders.bsf, modulation: orders.ftf },
  ] as const;

  it.each(parts)('with a defect of the $fault', async ({ fault, feature, order, modulation }) => {
    for (const nameplate of [0.935, 0.98, 1, 1.03, 1.065]) {
      const defect = {
        frequencyHz: order * 0.995 * shaftHz,
        shock: 1.2,
        resonanceHz,
        modulationHz: modulation * shaftHz,
      };
      const diagnosis = await verdict({ ...machine, defect }, rpm * nameplate, bearing);
      expect(diagnosis.fault, `nameplate ${nameplate}`).toBe(fault);
      const line = diagnosis.evidence.find((evidence) => evidence.feature === feature);
      expect(Math.abs(line!.frequencyHz / defect.frequencyHz - 1)).toBeLessThan(0.02);
    }
  });

  it('without a defect', async () => {
    for (const nameplate of [0.94, 1, 1.06]) {
      for (const seed of [1, 2, 3]) {
        const diagnosis = await verdict({ ...machine, seed }, rpm * nameplate, bearing);
        expect(diagnosis.fault).toBe('normal');
      }
    }
  });
});

describe('the shaft', () => {
  const machine = { sampleRateHz: 12_800, durationS: 5, shaftHz: 24.6 };
  const rpm = 1500;

  it('is out of balance', async () => {
    const { fault, evidence } = await verdict({ ...machine, orders: { 1: 5, 2: 0.5, 3: 0.3 } }, rpm);
    expect(fault).toBe('unbalance');
    expect(evidence[0]!.frequencyHz).toBeCloseTo(24.6, 0);
    expect(evidence[0]!.value).toBeCloseTo(5 / Math.SQRT2, 1);
  });

  it('is misaligned', async () => {
    expect((await verdict({ ...machine, orders: { 1: 2, 2: 4, 3: 0.8 } }, rpm)).fault).toBe('misalignment');
  });

  it('is loose', async () => {
    const orders = {
      0.5: 0.5,
      1: 2,
      1.5: 0.6,
      2: 1.5,
      2.5: 0.6,
      3: 1.2,
      3.5: 0.4,
      4: 1,
      5: 0.8,
      6: 0.6,
      7: 0.4,
    };
    expect((await verdict({ ...machine, orders }, rpm)).fault).toBe('looseness');
  });

  it('has a damaged gear', async () => {
    const teeth = 23;
    const orders = {
      1: 0.3,
      [teeth - 2]: 0.1,
      [teeth - 1]: 0.4,
      [teeth]: 0.5,
      [teeth + 1]: 0.35,
      [teeth + 2]: 0.1,
    };
    const samples = vibrationOf({ ...machine, orders: { ...orders, 2: 0.3, 3: 0.3 } });
    const spec = { sampleRateHz: 12_800, blockLength: samples.length, unit: 'g', quantity: 'acceleration' };
    const { fault, evidence, speedRpm } = await diagnose([samples], {
      ...spec,
      speedRpm: rpm,
      gear: { teeth },
    });
    expect(fault).toBe('gear');
    expect(evidence[0]!.orders).toBe(teeth);
    expect(speedRpm).toBeCloseTo(24.6 * 60, -1);
  });

  it('runs well', async () => {
    expect((await verdict({ ...machine, orders: RUN_OF_THE_MILL }, rpm)).fault).toBe('normal');
  });
});

it('takes a recording in one piece or in blocks alike', async () => {
  const machine = { sampleRateHz: 12_800, durationS: 30, shaftHz: 24.6, orders: RUN_OF_THE_MILL };
  const defect = { frequencyHz: 3.58 * 24.6, shock: 1, resonanceHz: 3000, modulationHz: 0 };
  const samples = vibrationOf({ ...machine, defect });
  const spec = {
    sampleRateHz: 12_800,
    blockLength: 32_768,
    unit: 'g',
    quantity: 'acceleration',
    speedRpm: 1500,
    bearing: parseBearing('6205'),
  };
  const blocks = Array.from({ length: 11 }, (_, i) => samples.subarray(i * 32_768, (i + 1) * 32_768));
  expect((await diagnose(blocks, spec)).fault).toBe('outer');
  // Longer than one transform.
  expect((await diagnose([samples], spec)).fault).toBe('outer');
});

it('claims no ball defect where its frequency lies on an order of the shaft', async () => {
  // 2 BSF of a 6203 is 3.99 per turn: four knocks a turn look the same.
  const machine = { sampleRateHz: 25_600, durationS: 3, shaftHz: 49, orders: RUN_OF_THE_MILL };
  const defect = { frequencyHz: 4 * 49, shock: 1.2, resonanceHz: 4300, modulationHz: 0, slip: 0 };
  const { fault } = await verdict({ ...machine, defect }, 2940, '6203');
  expect(['normal', 'unknown']).toContain(fault);
});

describe('a sound bearing beside something else', () => {
  const machine = { sampleRateHz: 25_600, durationS: 4, shaftHz: 24.7, orders: RUN_OF_THE_MILL };
  const knocks = (order: number) => ({
    frequencyHz: order * machine.shaftHz,
    shock: 1.2,
    resonanceHz: 3000,
    modulationHz: 0,
    slip: 0,
  });
  const blameless = ['outer', 'inner', 'ball', 'cage'];

  it.each([0.5, 1, 2, 3, 4, 5, 7])('that knocks %d times a turn', async (order) => {
    for (const nameplate of [0.95, 1, 1.05]) {
      const diagnosis = await verdict({ ...machine, defect: knocks(order) }, 1482 * nameplate, '6310');
      expect(blameless).not.toContain(diagnosis.fault);
    }
  });

  it('that crackles at random', async () => {
    const defect = { ...knocks(2.6), slip: 1 };
    for (const seed of [1, 2, 3]) {
      const diagnosis = await verdict({ ...machine, seed, defect }, 1482, '6310');
      expect(blameless).not.toContain(diagnosis.fault);
    }
  });
});

describe('no verdict', () => {
  it('without a speed, with too few turns, on a machine at rest, on sound', async () => {
    const machine = { sampleRateHz: 12_800, durationS: 5, shaftHz: 24.6 };
    const samples = vibrationOf(machine);
    const spec = { sampleRateHz: 12_800, blockLength: samples.length, unit: 'g', quantity: 'acceleration' };
    expect((await diagnose([samples], spec)).fault).toBe('unknown');
    expect((await diagnose([], { ...spec, speedRpm: 1500 })).fault).toBe('unknown');
    expect((await diagnose([samples.subarray(0, 2000)], { ...spec, speedRpm: 1500 })).fault).toBe('unknown');
    const still = samples.map((value) => Math.round(value * 20) / 20);
    expect((await diagnose([still], { ...spec, speedRpm: 1500 })).fault).toBe('unknown');
    const sound = { ...spec, quantity: 'sound-pressure', unit: 'Pa', speedRpm: 1500 };
    expect((await diagnose([samples], sound)).fault).toBe('unknown');
  });
});
