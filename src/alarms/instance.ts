import type { AlarmConfig } from './config.js';
import type { GroupPlace } from './groups.js';
import { RecentValues } from './recent-values.js';
import type { Actor, AlarmRecord, AlarmThread } from './record.js';
import { type AlarmState, NORMAL } from './transition.js';

/** One alarm at one point, with what the engine remembers of it. */
export interface Instance {
  readonly config: AlarmConfig;
  readonly point: string;
  readonly recent: RecentValues;
  state: AlarmState;
  message: string;
  raisedMs: number;
  /** Newest usable value by the gateway's clock, for `missing`; undefined until the first tick. */
  heardMs: number | undefined;
  heard: boolean;
  group: GroupPlace | undefined;
  actor: Actor | undefined;
  thread: AlarmThread | undefined;
}

/** In the order in which they come back, whatever the order in which they went. */
export const byEndOfShelf = (a: Instance, b: Instance): number =>
  (a.state.shelf?.untilMs ?? 0) - (b.state.shelf?.untilMs ?? 0) ||
  `${a.config.id}@${a.point}`.localeCompare(`${b.config.id}@${b.point}`);

export const rulesOf = ({ onDelay, offDelay, latching }: AlarmConfig) => ({
  onDelayMs: onDelay,
  offDelayMs: offDelay,
  latching,
});

export const newInstance = (config: AlarmConfig, point: string): Instance => ({
  config,
  point,
  recent: new RecentValues(),
  state: NORMAL,
  message: '',
  raisedMs: 0,
  heardMs: undefined,
  heard: false,
  group: undefined,
  actor: undefined,
  thread: undefined,
});

export const recordOf = ({
  config,
  point,
  state,
  message,
  raisedMs,
  group,
  actor,
  thread,
}: Instance): AlarmRecord => ({
  alarm: config.id,
  point,
  severity: config.priority,
  message,
  ...state,
  raisedMs,
  ...(group === undefined ? {} : { group }),
  ...(thread === undefined ? {} : { thread }),
  ...actor,
});
