import { formatDuration } from '../../base/duration.js';
import { type CommissioningRecord, healthySum } from './record.js';

/** Operating states that a model learned, for people; empty where the machine has but one. */
export function statesText({ states = [] }: Pick<CommissioningRecord, 'states'>): string {
  if (states.length === 0) return '';
  const each = states.map(({ state, rows, thin }) =>
    thin ? `${state} (${rows}, thin: the overall limit counts)` : `${state} (${rows})`,
  );
  return `; states learned, in windows: ${each.join(', ')}`;
}

/** ` (full 3h, low 20min)`; empty where the machine was in one state. */
function timesText({ healthyMs }: CommissioningRecord): string {
  const times = Object.entries(healthyMs);
  if (times.length < 2) return '';
  return ` (${times.map(([state, ms]) => `${state} ${formatDuration(ms)}`).join(', ')})`;
}

/** Where it stands, for people. */
export function sentenceOf(record: CommissioningRecord): string {
  const { state, neededMs, says, model, by, progress } = record;
  const named = model === undefined ? 'nothing' : `${model.name}/${model.version}`;
  switch (state) {
    case 'collecting': {
      const counted = `${formatDuration(healthySum(record))} of ${formatDuration(neededMs)} healthy running${timesText(record)}`;
      return says === '' ? counted : `${counted}; ${says}`;
    }
    case 'held':
      return `waits for a person: ${says}`;
    case 'training':
      return `${named === 'nothing' ? '' : `${named} is in use; `}the model is being learned (${Math.round(100 * (progress ?? 0))} %)`;
    case 'in-use':
      return `${named} is in use${statesText(record)}${says === '' ? '' : `; ${says}`}`;
    case 'failed':
      return `could not be learned: ${says}`;
    case 'stopped':
      return says === '' ? `stopped, begun by ${by}` : says;
  }
}
