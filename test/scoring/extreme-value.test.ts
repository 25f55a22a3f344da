import { expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { extremeQuantile } from '#sm/scoring/training/extreme-value.js';

it.each([
  ['exponential', (u: number) => -Math.log(1 - u), -Math.log(1e-4)],
  ['uniform', (u: number) => u, 1 - 1e-4],
  ['Pareto of shape 0.3', (u: number) => ((1 - u) ** -0.3 - 1) / 0.3, (1e-4 ** -0.3 - 1) / 0.3],
])(
  'one in ten thousand of a population (%s), from five thousand values: right in the mean over forty samples',
  (_name, inverse, exact) => {
    const random = seededRandom(17);
    let sum = 0;
    for (let trial = 0; trial < 40; trial++)
      sum += extremeQuantile(
        Array.from({ length: 5000 }, () => inverse(random())),
        1e-4,
      );
    expect(Math.abs(sum / 40 / exact - 1)).toBeLessThan(0.1);
  },
);

it('a quantile inside the sample is the sample quantile', () => {
  const random = seededRandom(2);
  const sample = Array.from({ length: 4000 }, () => gaussian(random));
  expect(extremeQuantile(sample, 0.5)).toBeCloseTo(0, 1);
  expect(() => extremeQuantile([1, 2, 3], 0.001)).toThrow(/too few/);
});
