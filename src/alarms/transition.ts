/**
 * The life of one alarm after ISA-18.2-2016 and IEC 62682 (clause 5.2.3, "alarm states"). One pure function; time is
 * that of the data for conditions and that of the gateway for what people do, so that a replay gives what the plant saw.
 *
 * Two things are kept apart: the life (is the condition present, has somebody seen it) and what keeps it silent
 * (shelved, suppressed, out of service). A silent alarm goes on watching its condition, so that it is right at once
 * when the silence ends: present, it is new and unacknowledged; gone, it is normal.
 */
export const ALARM_STATES = [
  /** Condition gone, nothing to do. */
  'normal',
  /** Condition present, nobody has seen it yet. */
  'unacknowledged',
  /** Condition present, somebody has seen it. */
  'acknowledged',
  /** Condition gone before anybody saw it. */
  'returned-unacknowledged',
  /** Condition gone before anybody saw it; stays until it is seen and reset. */
  'latched-unacknowledged',
  /** Condition gone, seen; stays until it is reset. */
  'latched-acknowledged',
  /** Put away by an operator for a while. */
  'shelved',
  /** Kept silent by design, such as on a stopped machine. */
  'suppressed',
  /** Taken out for maintenance. */
  'out-of-service',
] as const;

export type AlarmStateName = (typeof ALARM_STATES)[number];

export interface Shelf {
  readonly sinceMs: number;
  /** When it comes back by itself. */
  readonly untilMs: number;
}

/** What keeps an alarm silent by design: the operating state of the machine, or a system outside that asked for it. */
export const SUPPRESSORS = ['operating-state', 'request'] as const;
export type Suppressor = (typeof SUPPRESSORS)[number];

export interface AlarmState {
  readonly state: AlarmStateName;
  /** Since when it is in this state, milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** The condition, after the delays; watched in every state. */
  readonly active: boolean;
  /** Since when the condition differs from `active` (a delay is running); undefined where it does not. */
  readonly pendingSinceMs?: number;
  /** Each silence is kept by itself: an alarm that is shelved on a stopped machine is both. */
  readonly shelf?: Shelf;
  /** Never empty. */
  readonly suppressed?: readonly Suppressor[];
  readonly outOfService?: true;
}

/** What of the definition the function needs. */
export interface AlarmRules {
  readonly onDelayMs: number;
  readonly offDelayMs: number;
  /** Stays after the condition is gone, until somebody resets it. */
  readonly latching?: boolean;
}

export type AlarmInput = { readonly timeMs: number } & (
  | { readonly kind: 'condition'; readonly present: boolean }
  | { readonly kind: 'acknowledge' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'shelve'; readonly untilMs: number }
  | { readonly kind: 'unshelve' }
  | { readonly kind: 'suppress'; readonly suppressor: Suppressor }
  | { readonly kind: 'unsuppress'; readonly suppressor: Suppressor }
  | { readonly kind: 'remove-from-service' }
  | { readonly kind: 'return-to-service' }
  /** Time went by: what is shelved may come back. */
  | { readonly kind: 'time' }
);

export const NORMAL: AlarmState = { state: 'normal', sinceMs: 0, active: false };

/** True while the condition is present, as the delays see it. */
export const isActive = ({ active }: AlarmState): boolean => active;

/** True while it is kept from people. */
export const isSilent = ({ state }: AlarmState): boolean =>
  state === 'shelved' || state === 'suppressed' || state === 'out-of-service';

/** The state after an input; the very same object where nothing changes. */
export function transition(current: AlarmState, input: AlarmInput, rules: AlarmRules): AlarmState {
  const { timeMs } = input;
  switch (input.kind) {
    case 'condition':
      return onCondition(current, input.present, timeMs, rules);
    case 'acknowledge':
      return onAcknowledge(current, timeMs);
    case 'reset':
      return current.state === 'latched-acknowledged' ? settle(current, 'normal', timeMs) : current;
    case 'shelve': {
      if (input.untilMs <= timeMs) return current;
      const same = current.shelf?.untilMs === input.untilMs;
      return same
        ? current
        : silence(current, { shelf: { sinceMs: timeMs, untilMs: input.untilMs } }, timeMs);
    }
    case 'unshelve':
      return current.shelf === undefined ? current : silence(without(current, 'shelf'), {}, timeMs);
    case 'suppress': {
      const { suppressed = [] } = current;
      if (suppressed.includes(input.suppressor)) return current;
      return silence(current, { suppressed: [...suppressed, input.suppressor] }, timeMs);
    }
    case 'unsuppress': {
      const { suppressed = [] } = current;
      if (!suppressed.includes(input.suppressor)) return current;
      const left = suppressed.filter((suppressor) => suppressor !== input.suppressor);
      const rest = without(current, 'suppressed');
      return silence(rest, left.length === 0 ? {} : { suppressed: left }, timeMs);
    }
    case 'remove-from-service':
      return current.outOfService ? current : silence(current, { outOfService: true }, timeMs);
    case 'return-to-service':
      return current.outOfService ? silence(without(current, 'outOfService'), {}, timeMs) : current;
    case 'time':
      return onTime(current, timeMs);
  }
}

function onCondition(current: AlarmState, present: boolean, timeMs: number, rules: AlarmRules): AlarmState {
  if (present === current.active) {
    // The delay was for nothing: the condition came back.
    return current.pendingSinceMs === undefined ? current : without(current, 'pendingSinceMs');
  }
  // A clock that was set back would make the delay last for ever: it then begins anew.
  const pendingSinceMs = Math.min(current.pendingSinceMs ?? timeMs, timeMs);
  const delayMs = present ? rules.onDelayMs : rules.offDelayMs;
  if (timeMs - pendingSinceMs < delayMs) {
    return current.pendingSinceMs === pendingSinceMs ? current : { ...current, pendingSinceMs };
  }
  const turned = { ...without(current, 'pendingSinceMs'), active: present };
  if (isSilent(current)) return turned;
  if (present) return settle(turned, 'unacknowledged', timeMs);
  const seen = current.state === 'acknowledged';
  if (rules.latching === true)
    return settle(turned, seen ? 'latched-acknowledged' : 'latched-unacknowledged', timeMs);
  return settle(turned, seen ? 'normal' : 'returned-unacknowledged', timeMs);
}

function onAcknowledge(current: AlarmState, timeMs: number): AlarmState {
  switch (current.state) {
    case 'unacknowledged':
      return settle(current, 'acknowledged', timeMs);
    case 'returned-unacknowledged':
      return settle(current, 'normal', timeMs);
    case 'latched-unacknowledged':
      return settle(current, 'latched-acknowledged', timeMs);
    default:
      return current;
  }
}

function onTime(current: AlarmState, timeMs: number): AlarmState {
  const { shelf } = current;
  if (shelf === undefined) return current;
  if (timeMs >= shelf.untilMs) return silence(without(current, 'shelf'), {}, timeMs);
  if (timeMs >= shelf.sinceMs) return current;
  // The clock was set back: the alarm stays away as long as was asked for, not a day longer.
  return { ...current, shelf: { sinceMs: timeMs, untilMs: timeMs + (shelf.untilMs - shelf.sinceMs) } };
}

/** The strongest silence names the state; without one the alarm begins anew from its condition. */
function silence(
  current: AlarmState,
  added: Pick<AlarmState, 'shelf' | 'suppressed' | 'outOfService'>,
  timeMs: number,
): AlarmState {
  const next = { ...current, ...added };
  const name: AlarmStateName = next.outOfService
    ? 'out-of-service'
    : next.suppressed
      ? 'suppressed'
      : next.shelf
        ? 'shelved'
        : next.active
          ? 'unacknowledged'
          : 'normal';
  return name === current.state ? next : settle(next, name, timeMs);
}

const settle = (current: AlarmState, state: AlarmStateName, sinceMs: number): AlarmState => ({
  ...current,
  state,
  sinceMs,
});

function without(
  current: AlarmState,
  key: 'shelf' | 'suppressed' | 'outOfService' | 'pendingSinceMs',
): AlarmState {
  const { [key]: _removed, ...rest } = current;
  return rest;
}
