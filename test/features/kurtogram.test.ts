import { beforeAll, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { BlockSpectrum } from '#sm/features/envelope.js';
import { type FftLibrary, loadFft } from '#sm/features/fft.js';
import { Kurtogram } from '#sm/features/kurtogram.js';

const RATE = 25_600;
const LENGTH = 32_768;
let library: FftLibrary;
beforeAll(async () => {
  library = await loadFft();
});

function look(samples: Float32Array, options: { minWidthHz?: number; lowHz?: number } = {}) {
  const block = BlockSpectrum.create(library, samples.length, RATE)!;
  const plan = new Kurtogram(library, block.length, RATE, { minWidthHz: 800, lowHz: 500, ...options });
  try {
    block.compute(samples);
    return plan.compute(block.data);
  } finally {
    plan.close();
    block.close();
  }
}

const noise = (seed: number, length = LENGTH) => {
  const random = seededRandom(seed);
  return Float32Array.from({ length }, () => gaussian(random));
};

/** Shocks 100 times a second that set one resonance ringing, of so many times the RMS of the noise at their peak. */
function knocks(resonanceHz: number, peak: number): Float32Array {
  const samples = noise(7);
  for (let start = 50; start + 400 < LENGTH; start += 256)
    for (let i = 0; i < 400; i++)
      samples[start + i]! +=
        peak * Math.exp((-600 * i) / RATE) * Math.sin((2 * Math.PI * resonanceHz * i) / RATE);
  return samples;
}

describe('the kurtogram', () => {
  // Near both ends of the spectrum, on the borders of halves, thirds and quarters, and between them.
  it.each([700, 1600, 3200, 4267, 5000, 6400, 8533, 9600, 11_900])(
    'finds a resonance at %d Hz',
    (resonanceHz) => {
      const { kurtosis, centreHz, widthHz } = look(knocks(resonanceHz, 6));
      expect(Math.abs(centreHz - resonanceHz)).toBeLessThan(0.5 * widthHz + 150);
      expect(widthHz).toBeLessThanOrEqual(RATE / 4);
      expect(kurtosis).toBeGreaterThan(1);
    },
  );

  it('sees shocks that the waveform does not show', () => {
    const samples = knocks(5000, 2.2);
    const square = samples.reduce((sum, v) => sum + v * v, 0) / LENGTH;
    expect(samples.reduce((sum, v) => sum + v ** 4, 0) / LENGTH / square ** 2).toBeLessThan(3.3);
    const { kurtosis, centreHz, widthHz } = look(samples);
    expect(Math.abs(centreHz - 5000)).toBeLessThan(0.5 * widthHz + 150);
    expect(kurtosis).toBeGreaterThan(3 * look(noise(7)).kurtosis);
  });

  it('is near 0 for noise, for every seed', () => {
    for (let seed = 1; seed <= 8; seed++) expect(Math.abs(look(noise(seed)).kurtosis)).toBeLessThan(0.35);
  });

  it('is below 0 for a lone tone, in the band that holds it', () => {
    const tone = Float32Array.from({ length: LENGTH }, (_, i) => Math.sin((2 * Math.PI * 5000 * i) / RATE));
    // One band alone: the whole of the spectrum.
    expect(look(tone, { minWidthHz: RATE }).kurtosis).toBeCloseTo(-1, 2);
  });

  it('tells the RMS of the envelope: that of a sine is its amplitude', () => {
    const tone = Float32Array.from(
      { length: LENGTH },
      (_, i) => 3 * Math.sin((2 * Math.PI * 5000 * i) / RATE),
    );
    expect(look(tone, { minWidthHz: RATE }).envelopeRms).toBeCloseTo(3, 2);
  });

  it('keeps away from the orders of the shaft', () => {
    const samples = knocks(5000, 3);
    // A pulse train of 100 Hz, most of it below 500 Hz, is as impulsive and much stronger.
    for (let i = 0; i < LENGTH; i++)
      samples[i]! += 40 * (Math.sin((2 * Math.PI * 100 * i) / RATE) > 0.95 ? 1 : 0);
    const { band } = look(samples, { lowHz: 500 });
    expect((band.fromBin * RATE) / LENGTH).toBeGreaterThanOrEqual(500);
  });

  it('has at least one band, however short the block and wide the least band', () => {
    const { kurtosis, widthHz } = look(noise(3, 96), { minWidthHz: 50_000, lowHz: 20_000 });
    expect(Number.isFinite(kurtosis)).toBe(true);
    expect(widthHz).toBeGreaterThan(0);
  });

  it('gives zeros for silence', () => {
    expect(look(new Float32Array(LENGTH))).toMatchObject({ kurtosis: 0, envelopeRms: 0 });
  });
});
