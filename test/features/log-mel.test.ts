import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadFft } from '#sm/features/fft.js';
import { KERNELS_SOURCE_SHA256 } from '#sm/features/kernels-wasm.js';
import { createLogMel } from '#sm/features/log-mel.js';
import type { MelSpectrogramOptions } from '#sm/features/mel-spectrogram.js';

/** Values by librosa in float64: scripts/reference/signals.py. */
const { logMel } = JSON.parse(
  readFileSync(new URL('../fixtures/reference/signals.json', import.meta.url), 'utf8'),
);
const library = await loadFft();
/** The same library as an engine without SIMD sees it: everything in JavaScript. */
const plain = {
  ...library,
  get HEAPF32() {
    return library.HEAPF32;
  },
};
delete plain.kernels;

interface Case {
  options: MelSpectrogramOptions;
  frames: number;
  values: number[];
}

describe.each([
  ['WebAssembly', library],
  ['JavaScript', plain],
])('log-mel in %s', (_, pffft) => {
  it.each(logMel.cases as Case[])(
    'has the numbers of librosa, scale $options.scale',
    ({ options, frames, values }) => {
      const bytes = Buffer.from(logMel.samples, 'base64');
      const samples = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
      const spectrogram = createLogMel(pffft, samples.length, options);
      expect(spectrogram.frames).toBe(frames);
      for (let round = 0; round < 2; round++) {
        const ours = spectrogram.compute(samples);
        expect(ours.length).toBe(frames * options.count);
        values.forEach((value, i) => {
          expect(Math.abs(ours[i * logMel.step]! - value)).toBeLessThan(1e-4);
        });
      }
      spectrogram.close();
      spectrogram.close();
    },
  );
});

describe('the batched kernels', () => {
  const { kernels } = library;

  it('were compiled from their source', () => {
    const hash = createHash('sha256');
    for (const file of ['kernels.as', 'fft.as', 'reductions.as'])
      hash.update(readFileSync(new URL(`../../scripts/kernels/${file}`, import.meta.url)));
    // Where this fails: scripts/kernels/build.sh.
    expect(hash.digest('hex')).toBe(KERNELS_SOURCE_SHA256);
  });

  it('take the logarithm within 1e-5 dB over the whole range of energies', () => {
    const count = 4096;
    const place = library._pffft_aligned_malloc(count * 4);
    const values = library.HEAPF32.subarray(place / 4, place / 4 + count);
    values.forEach((_, i) => {
      values[i] = 10 ** (-9 + (18 * i) / count);
    });
    const exact = Float64Array.from(values, (value) => 10 * Math.log10(value));
    kernels!.toDecibels(place, count, 1e-10, 1000);
    const errors = exact.map((value, i) => Math.abs(value - values[i]!));
    expect(Math.max(...errors)).toBeLessThan(1e-5);
    library._pffft_aligned_free(place);
  });

  it('is silent for silence, in every frame, however long the sound', () => {
    for (const length of [1, 511, 512, 10_007]) {
      const spectrogram = createLogMel(library, length, {
        sampleRateHz: 16_000,
        transformLength: 1024,
        hop: 512,
        count: 40,
      });
      const silence = spectrogram.compute(new Float32Array(length));
      expect(silence.every((value) => Math.abs(value + 100) < 1e-4)).toBe(true);
      spectrogram.close();
    }
  });

  it('refuses another length', () => {
    const spectrogram = createLogMel(library, 2000, {
      sampleRateHz: 16_000,
      transformLength: 512,
      hop: 256,
      count: 20,
    });
    expect(() => spectrogram.compute(new Float32Array(1999))).toThrow(
      expect.objectContaining({ code: 'BLOCK_LENGTH' }),
    );
    spectrogram.close();
  });
});
