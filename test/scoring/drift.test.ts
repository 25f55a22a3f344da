import { expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { type DriftReference, DriftSketch, populationStabilityIndex } from '#sm/scoring/drift.js';
import { QuantileSketch } from '#sm/scoring/quantile-sketch.js';

const reference: DriftReference = {
  // Quartiles of a standard Gaussian.
  rms: { edges: [-0.6745, 0, 0.6745], counts: [250, 250, 250, 250] },
};

function sketchOf(mean: number, count = 4000): DriftSketch {
  const random = seededRandom(3);
  const sketch = new DriftSketch(reference);
  for (let i = 0; i < count; i++) sketch.add({ rms: mean + gaussian(random), other: 1 }, i / count);
  return sketch;
}

it('PSI by hand: halves against a quarter and three quarters', () => {
  const expected = (0.25 - 0.5) * Math.log(0.25 / 0.5) + (0.75 - 0.5) * Math.log(0.75 / 0.5);
  expect(populationStabilityIndex([5, 5], [25, 75])).toBeCloseTo(expected, 12);
  expect(populationStabilityIndex([5, 5], [0, 0])).toBeUndefined();
  expect(populationStabilityIndex([5, 5], [10, 0])).toBeGreaterThan(1);
});

it('is small where nothing changed and above 0.25 after a shift of one standard deviation', () => {
  expect(sketchOf(0).report().psi.rms).toBeLessThan(0.01);
  expect(sketchOf(1).report().psi.rms).toBeGreaterThan(0.25);
});

it('reports under the names that MLflow gets', () => {
  const { metrics, samples } = sketchOf(0).report();
  expect(samples).toBe(4000);
  expect(Object.keys(metrics)).toEqual(['drift.samples', 'drift.psi.rms', 'score.p50', 'score.p95']);
  expect(metrics['score.p50']).toBeCloseTo(0.5, 1);
  expect(Math.abs(metrics['score.p95']! / 0.95 - 1)).toBeLessThan(0.011);
});

it('is stored and goes on; a new period begins empty', () => {
  const before = sketchOf(0);
  const after = DriftSketch.fromJSON(reference, JSON.parse(JSON.stringify(before)));
  expect(after.report()).toEqual(before.report());
  expect(JSON.stringify(after).length).toBeLessThan(20_000);
  after.reset();
  expect(after.report()).toEqual({ samples: 0, psi: {}, metrics: { 'drift.samples': 0 } });
  expect(() => DriftSketch.fromJSON(reference, {})).toThrow(expect.objectContaining({ code: 'DRIFT_STATE' }));
});

it('a change of duty is no drift where the states are known; a shift within one is', () => {
  const around = (mean: number) => ({
    rms: { edges: [mean - 0.6745, mean, mean + 0.6745], counts: [250, 250, 250, 250] },
  });
  const mixed: DriftReference = { rms: { edges: [0, 5, 10], counts: [250, 250, 250, 250] } };
  const states = { low: around(0), high: around(10) };
  const random = seededRandom(8);
  const psi = (sketch: DriftSketch, shift = 0) => {
    for (let i = 0; i < 2000; i++) sketch.add({ rms: shift + gaussian(random) }, undefined, 'low');
    return sketch.report().psi.rms!;
  };
  // A week at low: over the mixture it is a great shift.
  expect(psi(new DriftSketch(mixed))).toBeGreaterThan(1);
  const known = new DriftSketch(mixed, undefined, states);
  expect(psi(known)).toBeLessThan(0.02);
  known.add({ rms: 99 }, undefined, 'new');
  expect(known.report().psi.rms).toBeLessThan(0.02);
  const stored = DriftSketch.fromJSON(mixed, JSON.parse(JSON.stringify(known)), states);
  expect(stored.report()).toEqual(known.report());
  expect(psi(new DriftSketch(mixed, undefined, states), 1)).toBeGreaterThan(0.25);
});

it('quantiles are within 1 % on both sides of zero', () => {
  const sketch = new QuantileSketch();
  const values = Array.from({ length: 2001 }, (_, i) => (i - 1000) ** 3);
  for (const value of values) sketch.add(value);
  sketch.add(Number.NaN);
  expect(sketch.count).toBe(2001);
  for (const p of [0, 0.01, 0.3, 0.5, 0.77, 1]) {
    const exact = values[Math.round(p * 2000)]!;
    expect(Math.abs(sketch.quantile(p)! - exact)).toBeLessThanOrEqual(0.0101 * Math.abs(exact));
  }
});
