import type { Random } from '../base/random.js';
import type { FeatureVector } from './score.js';

export interface ShapleyOptions {
  readonly features: readonly string[];
  readonly row: FeatureVector;
  /** Rows of the usual: what a feature is when it is not known. */
  readonly background: readonly FeatureVector[];
  /** Scores of rows, in order; whatever the model. */
  readonly score: (rows: readonly FeatureVector[]) => Promise<readonly number[]>;
  readonly random: Random;
  /** Orders in which features become known; each is also taken backwards. */
  readonly orders?: number;
}

export interface ShapleyValues {
  /** What each feature added to the score, in the order of the features; they sum to `score - base`. */
  readonly values: readonly number[];
  /** Mean score of the background. */
  readonly base: number;
  readonly score: number;
}

const ORDERS = 16;

/**
 * Shapley values of the features by sampling orders (Castro, Gomez and Tejada 2009), each also backwards, which takes out most of
 * the noise (Mitchell et al. 2022). In every order the steps sum to the score less that of a background row, so the values sum to score minus base
 * however few the orders. Throws what `score` throws, and `RangeError` without a background.
 */
export async function shapleyValues(options: ShapleyOptions): Promise<ShapleyValues> {
  const { features, row, background, random, orders = ORDERS } = options;
  if (background.length === 0) throw new RangeError('a background of at least one row is needed');
  const width = features.length;
  const values = new Float64Array(width);
  let base = 0;
  let score = 0;
  for (let i = 0; i < orders; i++) {
    const order = shuffled(width, random);
    const from = background[i % background.length]!;
    const rows = [order, [...order].reverse()].flatMap((of) => steps(features, row, from, of));
    const scores = await options.score(rows);
    [order, [...order].reverse()].forEach((of, pass) => {
      const first = pass * (width + 1);
      of.forEach((feature, k) => {
        values[feature]! += (scores[first + k + 1]! - scores[first + k]!) / (2 * orders);
      });
      base += scores[first]! / (2 * orders);
      score += scores[first + width]! / (2 * orders);
    });
  }
  return { values: Array.from(values), base, score };
}

/** The background row, with one feature more of `row` each time. */
function steps(
  features: readonly string[],
  row: FeatureVector,
  from: FeatureVector,
  order: readonly number[],
): FeatureVector[] {
  const rows: Record<string, number>[] = [{ ...from }];
  for (const feature of order) {
    const name = features[feature]!;
    rows.push({ ...rows.at(-1)!, [name]: row[name]! });
  }
  return rows;
}

function shuffled(length: number, random: Random): number[] {
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
