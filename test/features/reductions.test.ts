import { describe, expect, it } from 'vitest';
import { loadFft } from '#sm/features/fft.js';
import { createReductions, plainReductions } from '#sm/features/reductions.js';

/** scipy's numbers for both ways: test/features/reference.test.ts. Here: that the two ways agree, at any length. */
const library = await loadFft();

function close(ours: ArrayLike<number>, theirs: Float64Array): void {
  theirs.forEach((value, i) => {
    expect(Math.abs(ours[i]! - value)).toBeLessThanOrEqual(1e-11 * Math.max(1, Math.abs(value)));
  });
}

describe.each([4, 5, 7, 32, 1001, 16_384])('sums over %d samples', (length) => {
  const reductions = createReductions(library, length);
  const samples = Float32Array.from({ length }, (_, i) => 0.3 + Math.sin(i * i) * (i % 7));
  it('are those of JavaScript, for the waveform', () => {
    expect(reductions).not.toBe(plainReductions);
    close(reductions.waveform(samples), plainReductions.waveform(samples));
  });
  it.each([0, 1])('are those of JavaScript, for a spectrum with %d bins to spare', (spare) => {
    const power = Float64Array.from({ length: Math.floor(length / 2) + spare }, (_, k) =>
      k % 5 === 3 ? 0 : Math.abs(Math.sin(k * k)) * 10 ** (20 * Math.sin(k)),
    );
    for (const scale of [1e-9, 1, 3e7]) {
      const [logs, weighted] = plainReductions.logarithms(power, scale);
      close(reductions.logarithms(power, scale).subarray(0, 2), Float64Array.of(logs!, weighted!));
    }
  });
});

it('is of use after the memory grew, and gives it back', () => {
  const samples = Float32Array.from({ length: 4096 }, (_, i) => Math.cos(i));
  const first = createReductions(library, samples.length);
  const others = Array.from({ length: 40 }, () => createReductions(library, 262_144));
  close(first.waveform(samples), plainReductions.waveform(samples));
  for (const each of [first, ...others]) {
    each.close();
    each.close();
  }
  expect(createReductions(library, 262_145)).toBe(plainReductions);
});
