import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bearingOrders } from '#sm/features/bearing-orders.js';
import { findBearing, parseBearing } from '#sm/features/bearings.js';

describe('bearings', () => {
  it('turn geometry into the orders that CWRU publishes for the 6205', () => {
    const orders = bearingOrders(parseBearing('9,7.94,39.04,0'));
    expect(orders.bpfo).toBeCloseTo(3.5848, 3);
    expect(orders.bpfi).toBeCloseTo(5.4152, 3);
    expect(orders.bsf).toBeCloseTo(2.357, 3);
    expect(orders.ftf).toBeCloseTo(0.39828, 4);
  });

  it("prefer the maker's multipliers", () => {
    const orders = bearingOrders({ ...findBearing('6205')!, multipliers: { BPFO: 3.6 } });
    expect(orders.bpfo).toBe(3.6);
    expect(orders.bpfi).toBeCloseTo(5.4152, 3);
  });

  it.each(['6205', 'SKF 6205-2RS1/C3', '6205ZZ', 'skf 6205-2rs jem (drive end)'])(
    'know a %s',
    (designation) => {
      expect(findBearing(designation)).toMatchObject({ balls: 9, ballDiameterMm: 7.94 });
    },
  );

  it.each(['9999', '', '62', 'NU 9205'])('do not guess a %j', (designation) => {
    expect(findBearing(designation)).toBeUndefined();
  });

  it.each(['9,7.94', '9,50,39,0', '2,7,39,0', '9,a,39,0', '9,7.94,39.04,0,1', '9,,39,0'])(
    'refuse the geometry %s',
    (text) => {
      expect(() => parseBearing(text)).toThrow(
        expect.objectContaining({ code: 'BEARING_GEOMETRY', hint: expect.any(String) }),
      );
    },
  );
});

/** Bore and outside diameter by series and bore code, mm (ISO 15, which fixes them for every maker). */
const OUTSIDE_MM: Readonly<Record<string, readonly number[]>> = {
  // From bore code 00: 10, 12, 15, 17, then five times the code.
  60: [26, 28, 32, 35, 42, 47, 55, 62, 68, 75, 80],
  62: [30, 32, 35, 40, 47, 52, 62, 72, 80, 85, 90, 100, 110, 120, 125, 130],
  63: [35, 37, 42, 47, 52, 62, 72, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170],
};

describe('config/bearings.json', () => {
  const table = JSON.parse(readFileSync(new URL('../../config/bearings.json', import.meta.url), 'utf8')) as {
    sources: Record<string, string>;
    bearings: [string, number, number, number, number, string][];
  };

  it('names each bearing once, with a source that it explains', () => {
    expect(new Set(table.bearings.map(([name]) => name)).size).toBe(table.bearings.length);
    for (const row of table.bearings) expect(Object.keys(table.sources)).toContain(row[5]);
  });

  it.each(table.bearings)('%s keeps the kinematics', (name, balls, ballMm, pitchMm, angleDeg) => {
    const orders = bearingOrders(findBearing(name)!);
    expect(orders.bpfo + orders.bpfi).toBeCloseTo(balls, 9);
    expect(orders.bpfo).toBeCloseTo(balls * orders.ftf, 9);
    const share = (ballMm / pitchMm) * Math.cos((angleDeg * Math.PI) / 180);
    // A ball rolls on both rings: BSF = D/d * FTF * (1 + d/D cos a).
    expect(orders.bsf).toBeCloseTo((pitchMm / ballMm) * orders.ftf * (1 + share), 9);
    // Balls are put in with the rings off centre: they fill half the pitch circle, and a ninth more at most.
    const filledDeg = (2 * (balls - 1) * Math.asin(ballMm / pitchMm) * 180) / Math.PI;
    expect(filledDeg).toBeGreaterThan(170);
    expect(filledDeg).toBeLessThan(name === 'ZA-2115' ? 340 : 200);
  });

  it.each(table.bearings.filter(([name]) => /^6[023]\d\d$/.test(name)))(
    '%s fits between its rings',
    (name, _balls, ballMm, pitchMm) => {
      const code = Number(name.slice(2));
      const boreMm = [10, 12, 15, 17][code] ?? 5 * code;
      const outsideMm = OUTSIDE_MM[name.slice(0, 2)]![code]!;
      expect(Math.abs(pitchMm / ((boreMm + outsideMm) / 2) - 1)).toBeLessThan(0.02);
      const share = ballMm / (outsideMm - boreMm);
      expect(share).toBeGreaterThan(0.25);
      expect(share).toBeLessThan(0.33);
    },
  );
});
