import type { Learning } from '../commissioning/learning.js';
import type { LivePipeline } from '../live/live.js';
import { AlarmDesk, type AlarmDeskDeps } from './alarm-desk.js';
import { EventDesk, type EventDeskDeps } from './event-desk.js';

/** Where people see what the gateway does, and act on it: behind the API, the command line and the console. */
export interface Desks {
  readonly alarms: AlarmDesk;
  readonly events: EventDesk;
  readonly learning: Learning;
  readonly captures: Pick<LivePipeline, 'list' | 'take'>;
}

export const openDesks = (
  deps: AlarmDeskDeps & EventDeskDeps,
  rest: Pick<Desks, 'learning' | 'captures'>,
): Desks => ({
  ...rest,
  alarms: new AlarmDesk(deps),
  events: new EventDesk(deps),
});
