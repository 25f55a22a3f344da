import { describe, expect, it } from 'vitest';
import { createExtractor } from '#sm/features/extractor.js';
import { isoZone } from '#sm/features/zones.js';

/** ISO 20816-3:2022, annex A: boundaries of velocity (mm/s RMS) and displacement (µm RMS). */
const TABLE = [
  ['above 300 kW, rigid', 500, 'rigid', [2.3, 4.5, 7.1], [29, 57, 90]],
  ['above 300 kW, flexible', 500, 'flexible', [3.5, 7.1, 11], [45, 90, 140]],
  ['15 to 300 kW, rigid', 300, 'rigid', [1.4, 2.8, 4.5], [22, 45, 71]],
  ['15 to 300 kW, flexible', 15, 'flexible', [2.3, 4.5, 7.1], [37, 71, 113]],
] as const;

describe('zones', () => {
  it.each(TABLE)('of a machine of %s', (_name, powerKw, mounting, velocity, displacement) => {
    const size = { powerKw, mounting };
    velocity.forEach((boundary, i) => {
      expect(isoZone(boundary, size)).toBe(i + 1);
      expect(isoZone(boundary + 0.01, size)).toBe(i + 2);
    });
    displacement.forEach((boundary, i) => {
      expect(isoZone(0.1, size, boundary)).toBe(i + 1);
      expect(isoZone(0.1, size, boundary + 1)).toBe(i + 2);
    });
    expect(isoZone(20, size, 1)).toBe(4);
  });

  it('of a small machine: class I of ISO 10816-1, by velocity alone', () => {
    const size = { powerKw: 5, mounting: 'rigid' } as const;
    expect([0.71, 1.8, 4.5, 4.6].map((velocity) => isoZone(velocity, size, 1000))).toEqual([1, 2, 3, 4]);
  });

  it('a slow machine is graded by its displacement', async () => {
    const spec = { sampleRateHz: 2048, blockLength: 8192, unit: 'mm/s', quantity: 'velocity', speedRpm: 300 };
    const extractor = await createExtractor({ ...spec, machine: { powerKw: 100, mounting: 'rigid' } });
    // 1.3 mm/s RMS is zone A at any speed; at 5 Hz it is 41 µm RMS, zone B.
    const at = (hz: number) =>
      extractor.extract(
        Float32Array.from(
          { length: 8192 },
          (_, i) => 1.3 * Math.SQRT2 * Math.sin((2 * Math.PI * hz * i) / 2048),
        ),
      );
    expect(at(25).isoZone).toBe(1);
    expect(at(5).isoZone).toBe(2);
    extractor.close();
  });
});
