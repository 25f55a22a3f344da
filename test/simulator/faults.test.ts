import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { diagnose } from '#sm/diagnosis/diagnose.js';
import { findBearing } from '#sm/features/bearings.js';
import { waveformStatistics } from '#sm/features/statistics.js';
import { Fan } from '#sm/simulator/fan.js';
import { FaultBoard } from '#sm/simulator/fault-board.js';
import { Gearbox, type GearboxFault, PINION_TEETH } from '#sm/simulator/gearbox.js';
import { Pump, type PumpFault } from '#sm/simulator/pump.js';

const SAMPLE_RATE_HZ = 25_600;
const BLOCK = 40_960;

const verdict = async (blocks: Float32Array[], speedRpm: number, more: object) =>
  (
    await diagnose(blocks, {
      sampleRateHz: SAMPLE_RATE_HZ,
      blockLength: BLOCK,
      unit: 'g',
      quantity: 'acceleration',
      speedRpm,
      ...more,
    })
  ).fault;

describe('faults that are switched on', () => {
  const pumpWith = (kind: PumpFault, severity: number) => {
    const pump = new Pump({ random: seededRandom(2), sampleRateHz: SAMPLE_RATE_HZ });
    pump.faults.start(kind, { severity, fromS: 0, growthS: 0 });
    return pump;
  };

  it.each(['cage', 'unbalance', 'misalignment', 'looseness'] as const)(
    'are diagnosed at the pump: %s',
    async (kind) => {
      const pump = pumpWith(kind, 0.5);
      const blocks = [0, 1].map(() => pump.next(BLOCK).de);
      expect(await verdict(blocks, 1780, { bearing: findBearing('6205')! })).toBe(kind);
    },
  );

  it.each([
    ['tooth', 'gear'],
    ['looseness', 'looseness'],
  ] as const)('are diagnosed at the gearbox: %s', async (kind: GearboxFault, fault) => {
    const gearbox = new Gearbox({ random: seededRandom(2), sampleRateHz: SAMPLE_RATE_HZ });
    gearbox.faults.start(kind, { severity: 0.6, fromS: 0, growthS: 0 });
    const blocks = [0, 1].map(() => gearbox.next(BLOCK));
    expect(await verdict(blocks, 1480, { gear: { teeth: PINION_TEETH } })).toBe(fault);
  });

  it('cavitation is heard at high frequencies and seen at the pressure', () => {
    const spread = (pump: Pump) => {
      const seen: number[] = [];
      let rms = 0;
      for (let i = 0; i < 20; i++) {
        rms = waveformStatistics(pump.next(4096).de).rms;
        seen.push(pump.scalars.dischargePressureBar);
      }
      return { rms, mean: seen.reduce((sum, value) => sum + value) / seen.length };
    };
    const sound = spread(new Pump({ random: seededRandom(2), sampleRateHz: SAMPLE_RATE_HZ }));
    const cavitating = spread(pumpWith('cavitation', 1));
    expect(cavitating.rms).toBeGreaterThan(5 * sound.rms);
    expect(cavitating.mean).toBeLessThan(0.92 * sound.mean);
  });

  it('temperatures follow, slowly', () => {
    const fan = new Fan({
      random: seededRandom(1),
      soundSampleRateHz: 4_000,
      vibrationSampleRateHz: 6_400,
    });
    fan.faults.start('unbalance', { severity: 1, fromS: 0, growthS: 0 });
    fan.next(0.16);
    expect(fan.scalars.motorTemperatureDegC).toBeLessThan(48);
    for (let i = 0; i < 180; i++) fan.next(1);
    expect(fan.scalars.motorTemperatureDegC).toBeGreaterThan(56);
  });

  it('the shaft follows its drive, and forces the square of the speed', () => {
    const pump = pumpWith('unbalance', 1);
    const sound = new Pump({ random: seededRandom(2), sampleRateHz: SAMPLE_RATE_HZ });
    // The same seed: what differs is the unbalance alone.
    const unbalance = () => {
      const healthy = sound.next(4096).de;
      return waveformStatistics(pump.next(4096).de.map((value, i) => value - healthy[i]!)).rms;
    };
    const before = unbalance();
    for (const one of [pump, sound]) one.runAt(890);
    for (let i = 0; i < 100; i++) unbalance();
    expect(pump.scalars.speedRpm).toBeGreaterThan(870);
    expect(pump.scalars.speedRpm).toBeLessThan(910);
    expect(unbalance() / before).toBeCloseTo(0.25, 1);
    expect(pump.scalars.dischargePressureBar).toBeLessThan(1.6);
  });

  it('grow from a trace to their size, and go when they are repaired', () => {
    const board = new FaultBoard(['crack', 'wear']);
    board.start('crack', { severity: 0.5, fromS: 10, growthS: 100 });
    expect(board.severity('crack', 9)).toBe(0);
    expect(board.severity('crack', 10)).toBeCloseTo(0.02, 5);
    expect(board.severity('crack', 60)).toBeCloseTo(0.1, 5);
    expect(board.severity('crack', 500)).toBe(0.5);
    expect(board.list(500)).toEqual([{ kind: 'crack', severity: 0.5 }]);
    board.clear('crack');
    expect(board.list(500)).toEqual([]);
  });
});
