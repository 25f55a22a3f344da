import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuseHealth, MachineHealth, type PointHealth } from '#sm/pipeline/machines/machine-health.js';

const at = (index: number, name = `p${index}`, evidence = 1): PointHealth => ({
  point: name,
  index,
  evidence,
});
const healthy = Array.from({ length: 9 }, (_, i) => at(0.97, `good-${i}`));
const score = (value: number) => ({
  model: 'baseline',
  version: '1',
  score: value,
  threshold: 6,
  anomalous: value > 6,
});
const said = (value: number) => ({ scores: [score(value)], worst: score(value) });

describe('the health of a machine over all its points', () => {
  it('is that of its worst point, however many good ones there are, and lower with a second bad one', () => {
    expect(fuseHealth([])).toBeUndefined();
    expect(fuseHealth([at(0.2, 'bad'), ...healthy])).toEqual({
      index: expect.closeTo(0.2, 12),
      pulls: [{ point: 'bad', index: expect.closeTo(0.2, 12) }],
    });
    const two = fuseHealth([at(0.2, 'bad'), at(0.3, 'worse'), ...healthy])!;
    expect(two.index).toBeLessThan(0.2);
    expect(two.index).toBeGreaterThan(0.15);
  });

  it('does not go by a point of which little is known', () => {
    expect(fuseHealth([at(0.1, 'new', 0.1), ...healthy])!.index).toBeGreaterThan(0.9);
  });

  const points = fc.array(
    fc.record({
      point: fc.stringMatching(/^[a-z]{1,6}$/),
      index: fc.double({ min: 0, max: 1, noNaN: true }),
      evidence: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it('is between 0 and the worst believed point, and the same in any order (property)', () => {
    fc.assert(
      fc.property(points, (all) => {
        const { index } = fuseHealth(all)!;
        const worst = Math.min(...all.map((of) => 1 - of.evidence * (1 - of.index)));
        expect(index).toBeGreaterThanOrEqual(0);
        expect(index).toBeLessThanOrEqual(worst + 1e-12);
        expect(fuseHealth([...all].reverse())!.index).toBeCloseTo(index, 12);
      }),
    );
  });

  it('never rises where a point gets worse, and healthy points change nothing (property)', () => {
    fc.assert(
      fc.property(points, fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), (all, which, share) => {
        const before = fuseHealth(all)!.index;
        const worse = all.map((of, i) =>
          i === which % all.length ? { ...of, index: of.index * share } : of,
        );
        expect(fuseHealth(worse)!.index).toBeLessThanOrEqual(before + 1e-12);
        expect(fuseHealth([...all, at(1, 'fine')])!.index).toBeCloseTo(before, 12);
      }),
    );
  });
});

describe('the health of a machine as it goes', () => {
  it('falls with one bad bearing, names it, and is stored once a minute', () => {
    const health = new MachineHealth();
    const stored = [];
    for (let s = 0; s < 300; s++)
      for (let p = 0; p < 8; p++) {
        const bad = p === 3 && s >= 150;
        stored.push(health.assessed(`m.b${p}.acceleration`, 1000 * s, said(bad ? 14 : 1.2)) ?? []);
      }
    const view = health.view('m')!;
    expect(view.index).toBeLessThan(0.2);
    expect(view.pulls.map(({ point }) => point)).toEqual(['m.b3.acceleration']);
    const series = stored.flat();
    expect(series.map(({ timeMs }) => timeMs)).toEqual([60_000, 120_000, 180_000, 240_000]);
    expect(series[0]).toMatchObject({ point: 'm.health', unit: '1', quality: 'good' });
    expect(series[1]!.value).toBeGreaterThan(0.9);
    expect(series[3]!.value).toBeLessThan(0.2);
  });

  it('keeps its index while the machine stands still, and that of a point that went silent ages out', () => {
    const health = new MachineHealth();
    const idle = { scores: [], worst: undefined, unjudged: 'not judged: stopped' };
    for (let s = 0; s < 60; s++)
      for (const [point, value] of [
        ['m.a.acceleration', 1],
        ['m.b.acceleration', 12],
      ] as const)
        health.assessed(point, 1000 * s, said(value));
    const before = health.view('m')!;
    for (let s = 60; s < 7200; s++) health.assessed('m.a.acceleration', 1000 * s, idle);
    expect(health.view('m')).toEqual(before);
    expect(before.timeMs).toBe(59_000);
    for (let s = 7200; s < 10_800; s++) health.assessed('m.a.acceleration', 1000 * s, said(1));
    expect(health.view('m')!.index).toBeGreaterThan(0.9);
  });

  it('after a restart it is the last one that was stored', () => {
    const health = new MachineHealth();
    health.restore([{ point: 'm.health', timeMs: 5, value: 0.4, unit: '1', quality: 'good' }]);
    expect(health.view('m')).toEqual({ index: 0.4, timeMs: 5, pulls: [] });
    expect(health.view('other')).toBeUndefined();
  });
});
