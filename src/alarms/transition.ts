/**
 * The life of one alarm after ISA-18.2-2016, clause 5.2.3 (the state names in brackets are those of its figure 3).
 * One pure function; time is the time of the data, so that a replay gives what the plant saw.
 */
export type AlarmStateName =
  /** Condition gone, nothing to do (A). */
  | 'normal'
  /** Condition present, nobody has seen it yet (B). */
  | 'unacknowledged'
  /** Condition present, somebody has seen it (C). */
  | 'acknowledged'
  /** Condition gone before anybody saw it (D). */
  | 'returned-unacknowledged'
  /** Put away by an operator for a while (F). */
  | 'shelved'
  /** Kept silent by design, such as on a stopped machine (G). */
  | 'suppressed'
  /** Taken out for maintenance (H). */
  | 'out-of-service';

export interface AlarmState {
  readonly state: AlarmStateName;
  /** Since when it is in this state, milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** Since when the condition differs from what the state says (a delay is running); undefined where it does not. */
  readonly pendingSinceMs?: number;
}

export interface AlarmDelays {
  readonly onDelayMs: number;
  readonly offDelayMs: number;
}

export type AlarmInput =
  | { readonly kind: 'condition'; readonly present: boolean; readonly timeMs: number }
  | { readonly kind: 'acknowledge'; readonly timeMs: number }
  | { readonly kind: 'remove-from-service'; readonly timeMs: number }
  | { readonly kind: 'return-to-service'; readonly timeMs: number };

export const NORMAL: AlarmState = { state: 'normal', sinceMs: 0 };

/** True while the state says that the condition is present. */
export const isActive = ({ state }: AlarmState): boolean =>
  state === 'unacknowledged' || state === 'acknowledged';

/** The state after an input; the very same object where nothing changes. */
export function transition(current: AlarmState, input: AlarmInput, delays: AlarmDelays): AlarmState {
  switch (input.kind) {
    case 'condition':
      return onCondition(current, input.present, input.timeMs, delays);
    case 'acknowledge':
      if (current.state === 'unacknowledged')
        return { ...current, state: 'acknowledged', sinceMs: input.timeMs };
      if (current.state === 'returned-unacknowledged') return { state: 'normal', sinceMs: input.timeMs };
      return current;
    case 'remove-from-service':
      return current.state === 'out-of-service'
        ? current
        : { state: 'out-of-service', sinceMs: input.timeMs };
    case 'return-to-service':
      return current.state === 'out-of-service' ? { state: 'normal', sinceMs: input.timeMs } : current;
  }
}

function onCondition(current: AlarmState, present: boolean, timeMs: number, delays: AlarmDelays): AlarmState {
  if (current.state === 'shelved' || current.state === 'suppressed' || current.state === 'out-of-service') {
    return current;
  }
  const active = isActive(current);
  if (present === active) {
    // The delay was for nothing: the condition came back.
    if (current.pendingSinceMs === undefined) return current;
    const { pendingSinceMs: _pending, ...settled } = current;
    return settled;
  }
  // A clock that was set back would make the delay last for ever: it then begins anew.
  const pendingSinceMs = Math.min(current.pendingSinceMs ?? timeMs, timeMs);
  const delayMs = present ? delays.onDelayMs : delays.offDelayMs;
  if (timeMs - pendingSinceMs < delayMs) {
    return current.pendingSinceMs === pendingSinceMs ? current : { ...current, pendingSinceMs };
  }
  if (present) return { state: 'unacknowledged', sinceMs: timeMs };
  return { state: current.state === 'acknowledged' ? 'normal' : 'returned-unacknowledged', sinceMs: timeMs };
}
