import { describe, expect, it } from 'vitest';
import { seededRandom } from '#sm/base/random.js';
import type { FeatureVector } from '#sm/scoring/score.js';
import { shapleyValues } from '#sm/scoring/shapley.js';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const row = { a: 2, b: -1, c: 3, d: 0.5, e: 1 };
const background = [
  { a: 0, b: 0, c: 0, d: 0, e: 0 },
  { a: 1, b: 1, c: -1, d: 0.2, e: 1 },
];
/** Interactions of two and three features, and a step as a tree has it. */
const model = (x: FeatureVector) =>
  x.a! * x.b! + 2 * x.c! + x.c! * x.d! * x.e! + (x.a! > 1 && x.c! > 1 ? 5 : 0);
const score = async (rows: readonly FeatureVector[]) => rows.map(model);

/** By the definition: over all coalitions, over all background rows. */
function exact(): number[] {
  const n = NAMES.length;
  const factorial = (k: number): number => (k < 2 ? 1 : k * factorial(k - 1));
  const value = (coalition: number) =>
    background.reduce(
      (sum, from) =>
        sum +
        model(
          Object.fromEntries(
            NAMES.map((name, j) => [name, (coalition & (1 << j) ? row : from)[name as 'a']]),
          ),
        ),
      0,
    ) / background.length;
  return NAMES.map((_, j) => {
    let sum = 0;
    for (let coalition = 0; coalition < 1 << n; coalition++) {
      if (coalition & (1 << j)) continue;
      const size = NAMES.filter((_, k) => coalition & (1 << k)).length;
      sum +=
        ((factorial(size) * factorial(n - size - 1)) / factorial(n)) *
        (value(coalition | (1 << j)) - value(coalition));
    }
    return sum;
  });
}

describe('sampled Shapley values', () => {
  it('sum to the score minus the base however few orders are drawn', async () => {
    for (const orders of [1, 2, 7]) {
      const random = seededRandom(orders);
      const answer = await shapleyValues({ features: NAMES, row, background, score, random, orders });
      expect(answer.score).toBeCloseTo(model(row), 12);
      expect(answer.values.reduce((a, b) => a + b)).toBeCloseTo(answer.score - answer.base, 10);
    }
  });

  it('come to the values of the definition', async () => {
    const random = seededRandom(3);
    const { values, base } = await shapleyValues({
      features: NAMES,
      row,
      background,
      score,
      random,
      orders: 4000,
    });
    expect(base).toBeCloseTo((model(background[0]!) + model(background[1]!)) / 2, 10);
    exact().forEach((expected, j) => {
      expect(Math.abs(values[j]! - expected)).toBeLessThan(0.15);
    });
  });

  it('are exact for an additive model with a single order', async () => {
    const additive = async (rows: readonly FeatureVector[]) => rows.map((x) => 3 * x.a! - x.b! + x.e! ** 2);
    const from = [{ a: 1, b: 1, c: 1, d: 1, e: 2 }];
    const random = seededRandom(1);
    const { values } = await shapleyValues({
      features: NAMES,
      row,
      background: from,
      score: additive,
      random,
      orders: 1,
    });
    expect(values.map((value) => Number(value.toFixed(9)))).toEqual([3, 2, 0, 0, -3]);
  });

  it('need a background', async () => {
    const random = seededRandom(1);
    await expect(shapleyValues({ features: NAMES, row, background: [], score, random })).rejects.toThrow(
      RangeError,
    );
  });
});
