import { describe, expect, it } from 'vitest';
import { createExtractor } from '#sm/features/extractor.js';
import { loadFft } from '#sm/features/fft.js';
import type { AnalysisSpec } from '#sm/features/spec.js';

const bearing = { balls: 9, ballDiameterMm: 7.94, pitchDiameterMm: 39.04, contactAngleDeg: 0 };
const vibration: AnalysisSpec = {
  sampleRateHz: 25_600,
  blockLength: 16_384,
  unit: 'g',
  quantity: 'acceleration',
  speedRpm: 1780,
  bearing,
};
const specs: Readonly<Record<string, AnalysisSpec>> = {
  vibration,
  'vibration in full, of a length for pffft': { ...vibration, blockLength: 14_400, detail: 'full' },
  'a gear': { ...vibration, gear: { teeth: 23 } },
  'a conditioned signal': { ...vibration, conditioning: { highPassHz: 5, sampleRateHz: 12_800 } },
  sound: {
    sampleRateHz: 16_000,
    blockLength: 16_000,
    unit: 'Pa',
    quantity: 'sound-pressure',
    detail: 'full',
  },
};

const library = await loadFft();
const noise = (length: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 0.03) + 0.3 * Math.sin(i * i));

// The library replaces each of its functions by that of the module at the first call: only then can they be watched.
(await createExtractor({ ...vibration, blockLength: 14_400 })).close();

/** Places in the memory of the library that were taken and not given back: its own functions, watched. */
const taken = new Set<string>();
for (const [take, give] of [
  ['_pffft_aligned_malloc', '_pffft_aligned_free'],
  ['_pffft_new_setup', '_pffft_destroy_setup'],
] as const) {
  const original = {
    take: library[take] as (...args: number[]) => number,
    give: library[give] as (place: number) => void,
  };
  Object.assign(library, {
    [take]: (...args: number[]) => {
      const place = original.take(...args);
      taken.add(`${take} ${place}`);
      return place;
    },
    [give]: (place: number) => {
      taken.delete(`${take} ${place}`);
      original.give(place);
    },
  });
}

describe.each(Object.entries(specs))('the memory of the analysis of %s', (_, spec) => {
  it('does not grow with blocks, and all of it comes back', async () => {
    const before = new Set(taken);
    const block = noise(spec.blockLength);
    const extractor = await createExtractor(spec);
    const first = extractor.extract(block);
    const during = new Set(taken);
    expect(during.size).toBeGreaterThan(before.size);
    for (let i = 0; i < 3; i++) expect(extractor.extract(block)).toEqual(first);
    expect(taken.size).toBe(during.size);
    extractor.close();
    extractor.close();
    expect(taken).toEqual(before);
  });
});

it('is shared by channels of one kind: their factors and work area are there once', async () => {
  const first = await createExtractor(vibration);
  const one = taken.size;
  const second = await createExtractor(vibration);
  const added = taken.size - one;
  expect(added).toBeLessThan(one * 0.7);
  const block = noise(vibration.blockLength);
  const expected = first.extract(block);
  first.close();
  expect(second.extract(block)).toEqual(expected);
  second.close();
  expect(taken.size).toBe(0);
});
