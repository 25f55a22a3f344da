import { SmEdgeError } from '../../base/errors.js';

/**
 * What is learned from. `beginning`: recordings labelled normal, and the first fifth of the time of what is in order of time.
 * `healthy`: recordings labelled normal, and what comes before the first labelled anomaly. `train`: what the manifest
 * gives the split `train`. A number: the first rows (or snapshots) of each.
 */
export type FitRule = 'beginning' | 'healthy' | 'train' | { readonly firstRows: number };

const BEGINNING = 0.2;

/** Throws `USAGE` for a rule that is none. */
export function parseFitRule(text: string | undefined): FitRule {
  if (text === undefined) return 'beginning';
  if (text === 'healthy' || text === 'train') return text;
  const rows = /^first:([1-9]\d{0,8})$/.exec(text)?.[1];
  if (rows !== undefined) return { firstRows: Number(rows) };
  throw new SmEdgeError('USAGE', `"${text}" says not what to fit on`, {
    hint: 'Write --fit healthy, --fit train or --fit first:ROWS, such as --fit first:400.',
  });
}

/**
 * How many of the rows of a series in order of time are learned from.
 * @param timesMs of each row, ascending
 * @param truths what the labels say of each row
 */
export function rowsToFit(
  rule: FitRule,
  timesMs: readonly number[],
  truths: readonly (boolean | undefined)[],
): number {
  if (typeof rule === 'object') return Math.min(rule.firstRows, truths.length);
  const start = timesMs[0] ?? 0;
  const endMs = start + BEGINNING * ((timesMs.at(-1) ?? 0) - start);
  const beginning = timesMs.filter((timeMs) => timeMs < endMs).length;
  if (rule !== 'healthy') return beginning;
  const first = truths.indexOf(true);
  return first < 0 ? beginning : first;
}

/** Whether a label says that nothing was wrong: `normal`, also with a remark behind it. */
export const isNormal = (label: string | undefined): boolean =>
  label !== undefined && /^normal\b/i.test(label);
