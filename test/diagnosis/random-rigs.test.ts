import { describe, expect, it } from 'vitest';
import { diagnose } from '#sm/diagnosis/diagnose.js';
import { drawRig, type RigFault, rigStrength } from '#sm/simulator/random-rig.js';

/**
 * A short run of scripts/diagnosis-rates.js: machines drawn at random, their declared speed wrong by up to 7 %. The
 * long run and its rates are in docs/diagnosis.md; these counts only keep it from getting worse.
 */
async function verdicts(fault: RigFault, seeds: readonly number[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const seed of seeds) {
    const rig = drawRig({ seed, fault });
    const diagnosis = await diagnose([rig.samples], rig.spec);
    counts[diagnosis.fault] = (counts[diagnosis.fault] ?? 0) + 1;
    if (diagnosis.speedRpm !== undefined)
      expect(Math.abs(diagnosis.speedRpm / rig.trueSpeedRpm - 1), `speed of ${fault} ${seed}`).toBeLessThan(
        0.005,
      );
  }
  return counts;
}

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
/** Seeds whose defect can be seen: a shock of twice the background or more. */
const plain = (fault: RigFault, count: number) =>
  seeds(1000, 10 * count)
    .filter((seed) => rigStrength(seed, fault) > 2)
    .slice(0, count);

describe('machines drawn at random', () => {
  it('finds nothing on a sound one', async () => {
    expect(await verdicts('normal', seeds(1000, 16))).toEqual({ normal: 16 });
  });

  it.each([
    ['outer', 5],
    ['inner', 5],
    ['ball', 4],
  ] as const)('a plain defect of the %s: %d of 7 at least', async (fault, atLeast) => {
    const {
      [fault]: right = 0,
      normal = 0,
      unknown = 0,
      unbalance = 0,
      ...rest
    } = await verdicts(fault, plain(fault, 7));
    expect(rest).toEqual({});
    expect(right + normal + unknown + unbalance).toBe(7);
    expect(right).toBeGreaterThanOrEqual(atLeast);
  });

  it.each(['unbalance', 'misalignment', 'looseness'] as const)('a shaft with %s', async (fault) => {
    const { [fault]: right = 0, normal = 0, unknown = 0, ...rest } = await verdicts(fault, seeds(1000, 6));
    expect(rest).toEqual({});
    expect(right + normal + unknown).toBe(6);
    expect(right).toBeGreaterThanOrEqual(5);
  });

  it('an unbalanced shaft that shows no other order', async () => {
    // Without a second order the speed is not certain.
    expect(await verdicts('unbalance', [16, 20, 28])).toEqual({ unbalance: 3 });
  });
});
