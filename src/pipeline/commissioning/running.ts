import { RESERVED_NAMES, RUNNING } from '../../scoring/states/state.js';
import type { StoredHistory } from '../../storage/history.js';
import type { StateOf } from './healthy-table.js';

/**
 * Tells for each window of a point in which steady state its machine was, by what the scores of the store say. Of a machine
 * that has several states a window that was not scored does not count: it stood still, ran up, or nobody knew.
 */
export function runningStates(history: StoredHistory, point: string, fromMs: number, toMs: number): StateOf {
  const states = new Map<number, string>();
  let several = false;
  for (const page of history.scores(point, fromMs, toMs))
    for (const { timeMs, state } of page) {
      if (state !== undefined) several = true;
      states.set(microseconds(timeMs), state ?? RUNNING.name);
    }
  if (!several) return () => RUNNING.name;
  return ({ timeMs }) => {
    const state = states.get(microseconds(timeMs));
    return state === undefined || RESERVED_NAMES.includes(state) ? undefined : state;
  };
}

const microseconds = (timeMs: number): number => Math.round(timeMs * 1000);
