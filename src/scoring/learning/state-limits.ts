import { extremeQuantile, extremeQuantiles } from '../training/extreme-value.js';

/** What was learned of one operating state. */
export interface StateLimit {
  /** Healthy rows of the state. */
  readonly rows: number;
  /** Limit of the raw score there; undefined where the state is thin: the overall one counts. */
  readonly limit: number | undefined;
}

export interface Limits {
  /** Where a state has none of its own, or is not known. */
  readonly overall: number;
  readonly states: ReadonlyMap<string, StateLimit>;
}

/** Rows of a state below which it is thin: the tail of fewer (20) says little, whatever shape it shares. */
export const LEAST_STATE_ROWS = 400;
/** Share of the false alarms that is kept for thin states together, at least. */
const THIN_SHARE = 0.25;

/**
 * One limit for each state, so that `probability` of all rows together exceed the limit of their state. Each state that
 * has rows enough gets the same probability: the rate then holds whatever the machine is made to do most. The thin
 * ones share the overall limit. Since they may be the very ones that score high, it is so set that no more of all
 * rows exceed it than are the thin states' share of the false alarms.
 * @param scores of healthy rows that were held out
 * @param stateOf each row
 */
export function limitsByState(
  scores: readonly number[],
  stateOf: readonly string[],
  probability: number,
): Limits {
  const byState = new Map<string, number[]>();
  scores.forEach((score, i) => {
    const state = stateOf[i]!;
    const known = byState.get(state);
    if (known === undefined) byState.set(state, [score]);
    else known.push(score);
  });
  const rich = new Map([...byState].filter(([, of]) => of.length >= LEAST_STATE_ROWS));
  const richRows = [...rich.values()].reduce((sum, { length }) => sum + length, 0);
  const thinRows = scores.length - richRows;
  const none = rich.size === 0;
  const thinShare = thinRows === 0 || none ? 1 : Math.max(THIN_SHARE, thinRows / scores.length);
  const richProbability =
    thinRows === 0 ? probability : (probability * (1 - thinShare) * scores.length) / Math.max(1, richRows);
  const limits = none ? new Map<string, number>() : extremeQuantiles(rich, richProbability);
  return {
    overall: extremeQuantile(scores, probability * thinShare),
    states: new Map(
      [...byState].map(([state, { length }]) => [state, { rows: length, limit: limits.get(state) }]),
    ),
  };
}
