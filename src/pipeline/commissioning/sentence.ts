import { formatDuration } from '../../base/duration.js';
import { type CommissioningRecord, healthySum } from './record.js';

/** Where it stands, for people. */
export function sentenceOf(record: CommissioningRecord): string {
  const { state, neededMs, says, model, by, progress } = record;
  const named = model === undefined ? 'nothing' : `${model.name}/${model.version}`;
  switch (state) {
    case 'collecting': {
      const counted = `${formatDuration(healthySum(record))} of ${formatDuration(neededMs)} healthy running`;
      return says === '' ? counted : `${counted}; ${says}`;
    }
    case 'held':
      return `waits for a person: ${says}`;
    case 'training':
      return `${named === 'nothing' ? '' : `${named} is in use; `}the model is being learned (${Math.round(100 * (progress ?? 0))} %)`;
    case 'in-use':
      return `${named} is in use${says === '' ? '' : `; ${says}`}`;
    case 'failed':
      return `could not be learned: ${says}`;
    case 'stopped':
      return says === '' ? `stopped, begun by ${by}` : says;
  }
}
