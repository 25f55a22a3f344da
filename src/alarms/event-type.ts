import type { EventType } from '../events/event.js';
import type { AlarmTransition } from './record.js';
import type { AlarmInput } from './transition.js';

const BY_CAUSE: Readonly<Record<AlarmInput['kind'], EventType>> = {
  condition: 'AlarmReturnedToNormal',
  acknowledge: 'AlarmAcknowledged',
  reset: 'AlarmReset',
  shelve: 'AlarmShelved',
  unshelve: 'AlarmUnshelved',
  time: 'AlarmUnshelved',
  suppress: 'AlarmSuppressed',
  unsuppress: 'AlarmUnsuppressed',
  'remove-from-service': 'AlarmRemovedFromService',
  'return-to-service': 'AlarmReturnedToService',
};

/** What a change is called as an event. An alarm that is there and unseen was raised, whatever ended its silence. */
export const eventTypeOf = ({ to, cause }: Pick<AlarmTransition, 'to' | 'cause'>): EventType =>
  to === 'unacknowledged' ? 'AlarmRaised' : BY_CAUSE[cause];

/** The events that tell the life of an alarm: what its history is made of. */
export const ALARM_EVENT_TYPES: readonly EventType[] = [
  'AlarmRaised',
  ...new Set(Object.values(BY_CAUSE)),
  'AlarmCommented',
  'AlarmLabelled',
];
