import type { AlarmConfig } from './config.js';
import type { AlarmTransition } from './record.js';

/** What an alarm says when it comes: the facts, what it means, what to do. */
export const raisedMessage = (facts: string, { text, action }: AlarmConfig): string =>
  sentences(facts, text, action);

/** What a change says that is not the alarm coming. `raised` is what it said when it came. */
export function changedMessage(
  { to, point, untilMs }: Pick<AlarmTransition, 'to' | 'point' | 'untilMs'>,
  raised: string,
): string {
  switch (to) {
    case 'unacknowledged':
      return raised === '' ? `${point}: the condition of the alarm is present.` : raised;
    case 'acknowledged':
      return `acknowledged: ${raised}`;
    case 'returned-unacknowledged':
      return `${point} is back to normal; nobody has acknowledged: ${raised}`;
    case 'latched-unacknowledged':
      return `${point} is back to normal; the alarm stays until it is acknowledged and reset: ${raised}`;
    case 'latched-acknowledged':
      return `${point} is back to normal; the alarm stays until it is reset: ${raised}`;
    case 'shelved':
      return `${point}: shelved until ${untilMs === undefined ? 'later' : new Date(untilMs).toISOString()}.`;
    case 'suppressed':
      return `${point}: suppressed by design: the machine is in a state in which the alarm does not count, or a system asked for it.`;
    case 'out-of-service':
      return `${point}: the alarm is out of service.`;
    case 'normal':
      return `${point} is back to normal`;
  }
}

const sentences = (...parts: readonly (string | undefined)[]): string =>
  parts
    .filter((part) => part !== undefined && part !== '')
    .map((part) => part!.replace(/\.?$/, '.'))
    .join(' ');
