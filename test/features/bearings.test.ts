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
      expect(findBearing(designation)).toMatchObject({ balls: 9, ballDiameterMm: 7.938 });
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
