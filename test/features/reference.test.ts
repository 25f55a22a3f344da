import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createExtractor } from '#sm/features/extractor.js';
import { type MelOptions, melFilterBank } from '#sm/features/mel.js';
import type { AnalysisSpec } from '#sm/features/spec.js';
import { createWindow, type WindowName } from '#sm/features/window.js';

/** Values by numpy, scipy and librosa in float64: scripts/reference/reference.py. */
const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/reference/${name}.json`, import.meta.url), 'utf8'));

interface Case {
  readonly name: string;
  readonly spec: AnalysisSpec;
  readonly samples: string;
  readonly features: Readonly<Record<string, number>>;
}

/** Computed in float64 from the samples: within 1e-9. What went through a float32 transform: within 1e-5. */
const FLOAT64 = new Set([
  'rms',
  'peak',
  'peakToPeak',
  'crestFactor',
  'kurtosis',
  'skewness',
  'shapeFactor',
  'impulseFactor',
  'clearanceFactor',
  'zeroCrossingRateHz',
]);

const { cases } = fixture('features') as { cases: Case[] };

describe.each(cases)('$name', ({ spec, samples, features }) => {
  it('has the features of scipy and librosa', async () => {
    const bytes = Buffer.from(samples, 'base64');
    const block = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    const extractor = await createExtractor(spec);
    const ours = extractor.extract(block);
    extractor.close();
    const names = Object.keys(ours).filter((name) => !name.startsWith('line.'));
    expect(names.sort()).toEqual(Object.keys(features).sort());
    for (const [name, reference] of Object.entries(features)) {
      const error = Math.abs(ours[name]! - reference) / Math.max(Math.abs(reference), 1e-12);
      expect(error, `${name}: ${ours[name]} against ${reference}`).toBeLessThan(
        FLOAT64.has(name) || name.startsWith('percentile.') ? 1e-9 : 1e-5,
      );
    }
  });
});

describe('parts', () => {
  const { windows, melFilters } = fixture('parts') as {
    windows: Record<WindowName, number[]>;
    melFilters: { options: MelOptions; weights: number[][] }[];
  };

  it.each(Object.entries(windows))('has the window %s of scipy', (name, reference) => {
    const { values } = createWindow(name as WindowName, reference.length);
    reference.forEach((value, i) => {
      expect(Math.abs(values[i]! - value)).toBeLessThan(1e-7);
    });
  });

  it.each(melFilters)('has the mel filters of librosa, scale $options.scale', ({ options, weights }) => {
    const filters = melFilterBank(options);
    weights.forEach((row, m) => {
      const { fromBin, weights: ours } = filters[m]!;
      row.forEach((weight, k) => {
        expect(Math.abs((ours[k - fromBin] ?? 0) - weight)).toBeLessThan(1e-9);
      });
    });
  });
});
