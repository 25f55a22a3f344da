import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AveragingMode, SpectrumAverage } from '#sm/features/averaging.js';
import { createExtractor } from '#sm/features/extractor.js';
import { loadFft } from '#sm/features/fft.js';
import { butterworth, type FilterKind, SosFilter } from '#sm/features/filter.js';
import { createDecimator, decimate, PolyphaseResampler, resamplePoly } from '#sm/features/resample.js';
import type { AnalysisSpec } from '#sm/features/spec.js';
import { PowerSpectrum } from '#sm/features/spectrum.js';
import { createWindow, type WindowName } from '#sm/features/window.js';

/** Values by scipy.signal and endaq in float64: scripts/reference/signals.py. */
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/reference/${name}.json`, import.meta.url), 'utf8'));
const reference = read('signals');

/** The generator of reference.py. */
function noise(length: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

/** The largest error of every `step`-th value, over the largest value there is. */
function errorOf(ours: ArrayLike<number>, theirs: readonly number[], step: number): number {
  const scale = Math.max(...theirs.map(Math.abs));
  return Math.max(...theirs.map((value, i) => Math.abs(ours[i * step]! - value))) / scale;
}

describe('filters against scipy.signal.sosfilt', () => {
  const { seed, length, bias, step, cases } = reference.filters;
  const samples = noise(length, seed).map((value) => value + bias);
  interface FilterCase {
    kind: FilterKind;
    order: number;
    cutoffHz: number;
    sampleRateHz: number;
    filtered: number[];
    settled: number[];
  }

  it.each(cases as FilterCase[])('$kind of order $order at $cutoffHz Hz', (one) => {
    const sections = butterworth(one.kind, one.order, one.cutoffHz, one.sampleRateHz);
    const filter = new SosFilter(sections);
    const out = new Float64Array(length);
    filter.process(samples, out);
    expect(errorOf(out, one.filtered, step)).toBeLessThan(1e-9);
    filter.settle(samples[0]!);
    filter.process(samples, out);
    expect(errorOf(out, one.settled, step)).toBeLessThan(1e-9);
    // Block after block, into float32 and in place: the same signal.
    filter.reset();
    const stream = Float32Array.from(samples);
    for (let from = 0; from < length; from += 37) {
      const block = stream.subarray(from, from + 37);
      filter.process(block, block);
    }
    expect(errorOf(stream, one.filtered, step)).toBeLessThan(1e-5);
  });

  it('refuses what is no filter', () => {
    for (const [order, cutoff] of [
      [0, 10],
      [17, 10],
      [2, 0],
      [2, 500],
      [1.5, 10],
    ] as const)
      expect(() => butterworth('low-pass', order, cutoff, 1000)).toThrow(
        expect.objectContaining({ code: 'FILTER_DESIGN' }),
      );
  });
});

describe('sample rates against scipy.signal', () => {
  const { seed, length, step, rational, decimated } = reference.resampling;
  const samples = noise(length, seed);

  it.each(rational as { up: number; down: number; count: number; samples: number[] }[])(
    'resample_poly by $up/$down',
    ({ up, down, count, samples: theirs }) => {
      const ours = resamplePoly(samples, up, down);
      expect(ours.length).toBe(count);
      expect(errorOf(ours, theirs, step)).toBeLessThan(1e-9);
    },
  );

  it.each(decimated as { factor: number; count: number; samples: number[] }[])(
    'decimate by $factor',
    ({ factor, count, samples: theirs }) => {
      const ours = decimate(samples, factor);
      expect(ours.length).toBe(count);
      expect(errorOf(ours, theirs, step)).toBeLessThan(1e-9);
    },
  );

  it.each([1, 7, 64, 399])('gives the same in blocks of %d samples', (size) => {
    for (const [make, wholly] of [
      [() => new PolyphaseResampler(3, 2), resamplePoly(samples, 3, 2)],
      [() => new PolyphaseResampler(147, 160), resamplePoly(samples, 147, 160)],
      [() => createDecimator(4), decimate(samples, 4)],
    ] as const) {
      const resampler = make();
      const pieces: number[] = [];
      for (let from = 0; from < length; from += size)
        pieces.push(...resampler.process(samples.subarray(from, from + size)));
      pieces.push(...resampler.flush());
      expect(pieces).toEqual([...wholly]);
    }
  });

  it('keeps a tone below the new half rate and removes one above it', () => {
    const tone = (hz: number) =>
      Float32Array.from({ length: 8000 }, (_, i) => Math.sin((2 * Math.PI * hz * i) / 8000));
    const middle = (values: Float64Array) => values.subarray(200, 800);
    const rms = (values: Float64Array) => Math.hypot(...values) / Math.sqrt(values.length);
    expect(rms(middle(decimate(tone(100), 8)))).toBeCloseTo(Math.SQRT1_2, 2);
    expect(rms(middle(decimate(tone(900), 8)))).toBeLessThan(0.005);
  });

  it('refuses what is no ratio', () => {
    for (const [up, down] of [
      [0, 1],
      [1.5, 2],
      [1, 5000],
    ] as const)
      expect(() => resamplePoly(samples, up, down)).toThrow(
        expect.objectContaining({ code: 'RESAMPLE_RATIO' }),
      );
  });
});

describe('spectra against scipy.signal.welch', async () => {
  const { seed, length, sampleRateHz, segment, step, cases, gains } = reference.spectra;
  const samples = Float32Array.from(
    noise(length, seed),
    (value, i) => value + 0.7 * Math.sin((2 * Math.PI * 151.3 * i) / sampleRateHz),
  );
  const library = await loadFft();
  interface SpectrumCase {
    window: WindowName;
    overlap: number;
    density: number[];
    spectrum: number[];
  }

  it.each(cases as SpectrumCase[])(
    '$window with $overlap overlap',
    ({ window, overlap, density, spectrum }) => {
      const plan = PowerSpectrum.create(library, length, sampleRateHz, {
        window,
        overlap,
        maxTransform: segment,
      })!;
      plan.compute(samples);
      expect(errorOf(plan.density(), density, step)).toBeLessThan(1e-5);
      const squares = plan.amplitudes().map((amplitude, k) => amplitude ** 2 / (k === 0 ? 1 : 2));
      expect(errorOf(squares, spectrum, step)).toBeLessThan(1e-5);
      plan.close();
    },
  );

  it.each(Object.entries(gains as Record<WindowName, Record<string, number>>))(
    'has the corrections of the window %s',
    (name, theirs) => {
      const window = createWindow(name as WindowName, 4096);
      for (const key of ['coherentGain', 'powerGain', 'noiseBandwidthBins'] as const)
        expect(Math.abs(window[key] / theirs[key]! - 1)).toBeLessThan(1e-6);
    },
  );
});

describe('averages of spectra', () => {
  const spectra = [
    [1, 4],
    [3, 2],
    [5, 0],
  ].map((values) => Float64Array.from(values));
  const after = (mode: AveragingMode, averages?: number) => {
    const average = new SpectrumAverage(2, mode, averages);
    for (const power of spectra) average.add(power);
    return [...average.power];
  };

  it('are linear, exponential or the highest', () => {
    expect(after('linear')).toEqual([3, 2]);
    expect(after('peak-hold')).toEqual([5, 4]);
    // 1, then 1 + (3 - 1)/2 = 2, then 2 + (5 - 2)/2.
    expect(after('exponential', 2)).toEqual([3.5, 1.5]);
  });

  const { seed, length, sampleRateHz, segment, step, power } = reference.averages;
  it.each(Object.entries(power as Record<AveragingMode, number[]>))(
    'of the segments of a block are those of scipy and pandas: %s',
    async (averaging, theirs) => {
      const samples = Float32Array.from(
        noise(length, seed),
        (value, i) =>
          value + ((0.5 * 2 * i) / (length - 1)) * Math.sin((2 * Math.PI * 93.7 * i) / sampleRateHz),
      );
      const options = { averaging: averaging as AveragingMode, maxTransform: segment };
      const plan = PowerSpectrum.create(await loadFft(), length, sampleRateHz, options)!;
      expect(errorOf(plan.compute(samples), theirs, step)).toBeLessThan(1e-5);
      plan.close();
    },
  );

  it('begin anew and refuse another number of bins', () => {
    const average = new SpectrumAverage(2, 'linear');
    average.add(spectra[0]!);
    average.reset();
    expect(average.count).toBe(0);
    expect([...average.add(spectra[1]!)]).toEqual([3, 2]);
    expect(() => average.add(new Float64Array(3))).toThrow(expect.objectContaining({ code: 'AVERAGING' }));
  });
});

describe('against endaq', () => {
  it('has its RMS, peak, velocity and band of the same machine', async () => {
    const { spec, samples } = (read('features').cases as { spec: AnalysisSpec; samples: string }[])[0]!;
    const bytes = Buffer.from(samples, 'base64');
    const block = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    const extractor = await createExtractor(spec);
    const ours = extractor.extract(block);
    extractor.close();
    for (const [name, value] of Object.entries(reference.endaq as Record<string, number>)) {
      const limit = name === 'rms' || name === 'peak' ? 1e-9 : 1e-5;
      expect(Math.abs(ours[name]! / value - 1), name).toBeLessThan(limit);
    }
  });
});

describe('the calibrated amplitude of a sine', () => {
  // docs/features.md: flat-top reads within 0.1 % from four turns in the block to three bins below half the rate.
  it.each([4, 4.1, 4.37, 4.5, 5, 6.6, 10.5, 12.8, 33.33, 512.49, 1000.5, 2044.9])(
    'is within 0.1 %% through the flat-top window at %d turns a block',
    async (turns) => {
      const length = 4096;
      const sampleRateHz = 25_600;
      const frequencyHz = (turns * sampleRateHz) / length;
      const extractor = await createExtractor({
        sampleRateHz,
        blockLength: length,
        unit: 'g',
        quantity: 'acceleration',
        speedRpm: frequencyHz * 60,
        window: 'flat-top',
      });
      for (let phase = 0; phase < 6.2; phase += 0.45) {
        const block = Float32Array.from(
          { length },
          (_, i) => 0.2 + 3 * Math.sin((2 * Math.PI * turns * i) / length + phase),
        );
        const amplitude = extractor.extract(block)['order.1x']!;
        expect(Math.abs(amplitude / 3 - 1)).toBeLessThan(0.001);
      }
      extractor.close();
    },
  );
});

describe('the strongest lines', () => {
  const sines = [
    { hz: 1234.5678, amplitude: 1 },
    { hz: 403.1, amplitude: 0.8 },
    { hz: 3000.02, amplitude: 0.5 },
    { hz: 97.77, amplitude: 0.3 },
    { hz: 5111.3, amplitude: 0.2 },
  ];
  it.each(['hann', 'hamming', 'blackman-harris', 'flat-top'] as const)(
    'are where their sines are, between bins too: %s',
    async (window) => {
      const [length, sampleRateHz] = [16_384, 25_600];
      const block = Float32Array.from({ length }, (_, i) =>
        sines.reduce((sum, { hz, amplitude }, n) => {
          return sum + amplitude * Math.sin((2 * Math.PI * hz * i) / sampleRateHz + n);
        }, 0),
      );
      const extractor = await createExtractor({
        sampleRateHz,
        blockLength: length,
        unit: 'g',
        quantity: 'acceleration',
        detail: 'full',
        window,
      });
      const features = extractor.extract(block);
      extractor.close();
      sines.forEach(({ hz, amplitude }, n) => {
        // A fiftieth of a bin of 1.56 Hz; Hamming's side lobes fall off slowly.
        const tolerance = window === 'hamming' ? 0.01 : 0.002;
        expect(Math.abs(features[`line.${n + 1}.hz`]! - hz)).toBeLessThan(0.03);
        expect(Math.abs(features[`line.${n + 1}.amplitude`]! / amplitude - 1)).toBeLessThan(tolerance);
      });
    },
  );
});
