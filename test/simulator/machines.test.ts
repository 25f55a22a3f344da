import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { diagnose } from '#sm/diagnosis/diagnose.js';
import { findBearing } from '#sm/features/bearings.js';
import { waveformStatistics } from '#sm/features/statistics.js';
import type { DefectKind } from '#sm/simulator/bearing-defect.js';
import { Fan } from '#sm/simulator/fan.js';
import { Pump } from '#sm/simulator/pump.js';

const SAMPLE_RATE_HZ = 25_600;
const BLOCK = 40_960;

const pump = (kind?: DefectKind, seed = 3) =>
  new Pump({
    random: seededRandom(seed),
    sampleRateHz: SAMPLE_RATE_HZ,
    ...(kind === undefined ? {} : { defect: { kind, afterS: 20, growthS: 60 } }),
  });

function runUntil(machine: Pump, timeS: number): void {
  while (machine.timeS < timeS) machine.next(4096);
}

async function verdict(machine: Pump, position: 'de' | 'nde' = 'de') {
  const blocks = Array.from({ length: 4 }, () => machine.next(BLOCK)[position]);
  return diagnose(blocks, {
    sampleRateHz: SAMPLE_RATE_HZ,
    blockLength: BLOCK,
    unit: 'g',
    quantity: 'acceleration',
    speedRpm: 1780,
    bearing: findBearing('6205')!,
  });
}

describe('the virtual pump', () => {
  it.each([1, 2, 3])('is sound at first (seed %i)', async (seed) => {
    const machine = pump('outer', seed);
    runUntil(machine, 5);
    expect(machine.severity).toBe(0);
    expect((await verdict(machine)).fault).toBe('normal');
    expect((await verdict(machine, 'nde')).fault).toBe('normal');
  });

  it.each(['outer', 'inner', 'ball'] as const)('develops a defect that is diagnosed as %s', async (kind) => {
    const machine = pump(kind);
    runUntil(machine, 45);
    expect((await verdict(machine)).fault).toBe(kind);
    runUntil(machine, 85);
    expect(machine.severity).toBe(1);
    expect((await verdict(machine)).fault).toBe(kind);
  });

  it('has shocks at the ball pass frequency of the outer race', async () => {
    const machine = pump('outer');
    runUntil(machine, 60);
    const { evidence } = await verdict(machine);
    const bpfo = evidence.find(({ feature }) => feature === 'bpfo');
    // 9/2 × (1 - 7.94/39.04) turns, within the slip of the bearing.
    expect(bpfo?.orders).toBeGreaterThan(3.585 * 0.98);
    expect(bpfo?.orders).toBeLessThan(3.585 * 1.02);
  });

  it('shakes and warms as a machine of its size does', () => {
    const machine = pump('outer');
    runUntil(machine, 10);
    const healthy = waveformStatistics(machine.next(BLOCK).de);
    expect(healthy.rms).toBeGreaterThan(0.05);
    expect(healthy.rms).toBeLessThan(0.3);
    expect(healthy.kurtosis).toBeCloseTo(3, 0);
    expect(machine.scalars.bearingDeTemperatureDegC).toBeCloseTo(50, 0);
    runUntil(machine, 400);
    const damaged = waveformStatistics(machine.next(BLOCK).de);
    expect(damaged.rms).toBeGreaterThan(5 * healthy.rms);
    expect(damaged.kurtosis).toBeGreaterThan(8);
    expect(machine.scalars.bearingDeTemperatureDegC).toBeGreaterThan(80);
    expect(machine.scalars.speedRpm).toBeGreaterThan(1760);
    expect(machine.scalars.speedRpm).toBeLessThan(1800);
  });

  it('runs the same for the same seed, and on from block to block', () => {
    const [a, b] = [pump('inner', 7), pump('inner', 7)];
    for (let i = 0; i < 300; i++) {
      const [one, other] = [a.next(4096), b.next(4096)];
      expect(Buffer.compare(Buffer.from(one.de.buffer), Buffer.from(other.de.buffer))).toBe(0);
      expect(Buffer.compare(Buffer.from(one.nde.buffer), Buffer.from(other.nde.buffer))).toBe(0);
    }
    expect(a.scalars).toEqual(b.scalars);
    // No step where two blocks meet: the largest change of a healthy signal is not between two blocks.
    const machine = pump();
    const joined = Float32Array.from([...machine.next(4096).de, ...machine.next(4096).de]);
    let largest = 0;
    for (let i = 1; i < joined.length; i++)
      largest = Math.max(largest, Math.abs(joined[i]! - joined[i - 1]!));
    expect(Math.abs(joined[4096]! - joined[4095]!)).toBeLessThan(largest);
  });
});

describe('the virtual fan', () => {
  const fan = (rubbingAfterS?: number) =>
    new Fan({
      random: seededRandom(5),
      soundSampleRateHz: 16_000,
      vibrationSampleRateHz: SAMPLE_RATE_HZ,
      ...(rubbingAfterS === undefined ? {} : { rubbingAfterS }),
    });

  it('sounds as loud as a fan does', () => {
    const { sound } = fan().next(1);
    expect(sound).toHaveLength(16_000);
    const levelDb = 20 * Math.log10(waveformStatistics(sound).rms / 20e-6);
    expect(levelDb).toBeGreaterThan(70);
    expect(levelDb).toBeLessThan(90);
  });

  it('is sound as long as it does not rub', async () => {
    const machine = fan();
    const blocks = Array.from({ length: 4 }, () => machine.next(1.6).casing);
    const spec = { sampleRateHz: SAMPLE_RATE_HZ, blockLength: BLOCK, unit: 'g', quantity: 'acceleration' };
    expect((await diagnose(blocks, { ...spec, speedRpm: 1470 })).fault).toBe('normal');
  });

  it('scrapes once a turn when its impeller rubs', () => {
    const machine = fan(2);
    const before = waveformStatistics(machine.next(2).casing);
    const after = waveformStatistics(machine.next(2).casing);
    expect(after.rms).toBeGreaterThan(2 * before.rms);
    expect(after.kurtosis).toBeGreaterThan(before.kurtosis + 2);
  });
});
