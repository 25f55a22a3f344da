import { RESERVED_NAMES, RUNNING } from '../../scoring/states/state.js';
import type { StoredHistory } from '../../storage/history.js';
import type { ScoreRow } from '../../storage/rows.js';
import type { StateOf } from './healthy-table.js';

/**
 * Tells for each window of a point in which steady state its machine was, by what the scores of the store say. Of a machine
 * that has several states a window that was not scored does not count: it stood still, ran up, or nobody knew.
 * Windows have to be asked for in order of time: years of scores are read along, not kept.
 */
export function runningStates(history: StoredHistory, point: string, fromMs: number, toMs: number): StateOf {
  if (!hasStates(history.scores(point, fromMs, toMs))) return () => RUNNING.name;
  const rows = rowsOf(history.scores(point, fromMs, toMs));
  let next = rows.next();
  return ({ timeMs }) => {
    const wanted = microseconds(timeMs);
    while (!next.done && microseconds(next.value.timeMs) < wanted) next = rows.next();
    if (next.done || microseconds(next.value.timeMs) !== wanted) return undefined;
    const { state = RUNNING.name } = next.value;
    return RESERVED_NAMES.includes(state) ? undefined : state;
  };
}

function hasStates(pages: Iterable<readonly ScoreRow[]>): boolean {
  for (const page of pages) if (page.some(({ state }) => state !== undefined)) return true;
  return false;
}

function* rowsOf(pages: Iterable<readonly ScoreRow[]>): Generator<ScoreRow> {
  for (const page of pages) yield* page;
}

const microseconds = (timeMs: number): number => Math.round(timeMs * 1000);
