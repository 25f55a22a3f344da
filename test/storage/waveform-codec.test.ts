import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { PACKING, packWaveform, unpackWaveform } from '#sm/storage/waveforms/waveform-codec.js';
import { realRecordings } from '../support/data.js';

const bits = (samples: Float32Array) => new Uint32Array(samples.slice().buffer);

function roundTrip(samples: Float32Array, hint?: number) {
  const packed = packWaveform(samples, hint);
  const back = unpackWaveform(packed.packing, packed.bytes, samples.length);
  expect(Buffer.from(bits(back).buffer).equals(Buffer.from(bits(samples).buffer))).toBe(true);
  return { ...packed, ratio: packed.bytes.length / Math.max(1, samples.byteLength) };
}

describe('the packing of waveforms', () => {
  it('brings back any bits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        roundTrip(new Float32Array(bytes.slice(0, bytes.length & ~3).buffer));
      }),
      { numRuns: 300 },
    );
  });

  it('brings back floats of every kind', () => {
    const sample = fc.oneof(
      fc.float(),
      fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 1e-45, 3.4028234663852886e38),
    );
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 600 }), (values) => {
        roundTrip(Float32Array.from(values));
      }),
      { numRuns: 300 },
    );
  });

  it('finds the step of whole numbers of 8 to 24 bits, with and without an offset in them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.integer({ min: 6, max: 16 }),
        fc.double({ min: 1e-6, max: 10, noNaN: true }),
        fc.integer({ min: -3000, max: 3000 }),
        (seed, width, step, offset) => {
          const random = seededRandom(seed);
          const spread = 2 ** width;
          const samples = Float32Array.from(
            { length: 1024 },
            () => (Math.round((random() + random() + random() - 1.5) * spread + offset) + 0) * step,
          );
          expect(roundTrip(samples).packing).toBe(PACKING.integers);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('needs less for what is quiet, and never more than the samples themselves', () => {
    const random = seededRandom(3);
    const noise = Float32Array.from({ length: 4096 }, () => random() - 0.5);
    expect(roundTrip(noise).ratio).toBeLessThanOrEqual(1);
    const quiet = Float32Array.from({ length: 4096 }, () => (Math.round((random() - 0.5) * 16) + 0) * 0.0123);
    expect(roundTrip(quiet).ratio).toBeLessThan(0.2);
    const smooth = Float32Array.from({ length: 4096 }, (_, index) => Math.sin(index / 300));
    expect(roundTrip(smooth).ratio).toBeLessThan(0.75);
    expect(roundTrip(new Float32Array(4096)).ratio).toBeLessThan(0.05);
  });

  it('refuses bytes that are no waveform, and never hangs on them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(5), fc.nat(2000), (bytes, packing, count) => {
        try {
          expect(unpackWaveform(packing, bytes, count)).toHaveLength(count);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['mimii', 0.4],
    ['femto', 0.5],
  ])('stores the recordings of %s in less than %d of their size', async (name, share) => {
    const folder = realRecordings(name);
    if (folder === undefined) return;
    const set = await openRecordingSet(folder);
    let raw = 0;
    let packed = 0;
    for (const entry of set.manifest.recordings.slice(0, 3)) {
      const { blocks } = await set.readRecording(entry);
      const samples = blocks[0]!.samples.slice(0, 60_000);
      packed += roundTrip(samples).bytes.length;
      raw += samples.byteLength;
    }
    expect(packed / raw).toBeLessThan(share);
  });
});
