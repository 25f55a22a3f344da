import { type OperatingState, RUN_DOWN, RUN_UP, RUNNING, STOPPED, UNSEEN } from './state.js';

/** A steady range of the measure that tells the state, in its unit: `from` included, `to` not. */
export interface Bin {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** How one measure of a machine (speed, current, load, level of vibration) tells its operating state. */
export interface MeasureRule {
  /** The machine stands still while the magnitude is below this. */
  readonly stoppedBelow?: number;
  /** Not overlapping, ascending. None: whatever is not stopped is `running`. */
  readonly bins: readonly Bin[];
  /** A bin that was entered is left only this far beyond its edge. */
  readonly hysteresis: number;
  /** Steady values change by no more than `by` within `withinMs`. Missing: judged by the noise of the measure itself. */
  readonly change?: { readonly by: number; readonly withinMs: number };
  /** A state holds from when its value stayed in it so long. */
  readonly dwellMs: number;
}

/** What is known of a measure at a time: plain data, so that a restart goes on where it was. */
export interface MeasureState {
  readonly state: OperatingState;
  /** Name of the bin (or of stopped, or none) that the newest value lies in. */
  readonly place: string;
  /** Since when the value is in `place` without changing fast, milliseconds. */
  readonly sinceMs: number;
  readonly timeMs: number;
  /** Since when no state holds, milliseconds; undefined while one does. */
  readonly movingMs?: number;
  /** The newest value, and the last one of a state that held. */
  readonly value: number;
  readonly heldValue: number;
  /** Values that the newest is compared with, the oldest first. */
  readonly recent: readonly (readonly [timeMs: number, value: number])[];
  /** Largest magnitude, slowly forgotten, and mean change from value to value. */
  readonly top: number;
  readonly noise: number;
}

const OUTSIDE = '';
/** Without a rule a measure changes fast by this share of its top within this time, or by so many times its noise. */
const CHANGE_SHARE = 0.025;
const CHANGE_WITHIN_MS = 5_000;
const CHANGE_NOISE = 8;
const NOISE_RATE = 0.05;
/** What is more than so many times the noise is a jump. */
const NOISE_JUMP = 4;
const TOP_RATE = 1e-4;
const MOST_RECENT = 64;
/** What moves for longer than this does not run up: it hunts, which is a way of running, and is judged as such. */
export const MOST_TRANSIENT_MS = 600_000;

/** Where a value lies; `current` is kept inside its hysteresis. */
export function placeOf(rule: MeasureRule, value: number, current?: string): string {
  const { stoppedBelow, bins, hysteresis } = rule;
  if (stoppedBelow !== undefined) {
    const side = current === undefined ? 0 : current === STOPPED.name ? hysteresis : -hysteresis;
    // However wide the hysteresis: a machine that stands still is seen to.
    if (Math.abs(value) < Math.max(stoppedBelow + side, stoppedBelow / 2)) return STOPPED.name;
  }
  if (bins.length === 0) return RUNNING.name;
  const held = bins.find(({ name }) => name === current);
  if (held !== undefined && value >= held.from - hysteresis && value < held.to + hysteresis) return held.name;
  const inside = bins.find(({ from, to }) => value >= from && value < to);
  if (inside === undefined || current !== OUTSIDE) return inside?.name ?? OUTSIDE;
  // From outside it has to come in by as much as it would have to go out.
  const { name, from, to } = inside;
  const least = Math.min(hysteresis, (to - from) / 4);
  return value >= from + least && value < to - least ? name : OUTSIDE;
}

const stateOfPlace = (place: string): OperatingState => {
  if (place === STOPPED.name) return STOPPED;
  if (place === OUTSIDE) return UNSEEN;
  return { kind: 'steady', name: place };
};

/** The beginning: nothing is known before the first value has held for the dwell time. */
function beginMeasure(rule: MeasureRule, value: number, timeMs: number): MeasureState {
  const place = placeOf(rule, value);
  return {
    // It is not seen to run up: it runs, or not, for longer than anybody looked.
    state: stateOfPlace(place),
    place,
    sinceMs: timeMs,
    timeMs,
    value,
    heldValue: value,
    recent: [[timeMs, value]],
    top: Math.abs(value),
    noise: 0,
  };
}

/**
 * The next value of a measure. Pure: the same values give the same states. A value that is older than the newest one
 * changes nothing.
 */
export function stepMeasure(
  rule: MeasureRule,
  before: MeasureState | undefined,
  value: number,
  timeMs: number,
): MeasureState {
  if (!Number.isFinite(value)) return before ?? beginMeasure(rule, 0, timeMs);
  if (before === undefined) return beginMeasure(rule, value, timeMs);
  if (timeMs <= before.timeMs) return before;
  const place = placeOf(rule, value, before.place);
  const top = Math.max(Math.abs(value), before.top * (1 - TOP_RATE));
  const { by, withinMs } = rule.change ?? {
    by: Math.max(CHANGE_SHARE * top, CHANGE_NOISE * before.noise),
    withinMs: CHANGE_WITHIN_MS,
  };
  const recent = [...before.recent.filter(([at]) => at >= timeMs - withinMs), [timeMs, value] as const].slice(
    -MOST_RECENT,
  );
  const values = recent.map(([, of]) => of);
  const isFast = Math.max(...values) - Math.min(...values) > by;
  const isMoved = place !== before.place || (isFast && place !== STOPPED.name);
  const sinceMs = isMoved ? timeMs : before.sinceMs;
  const holds = !isMoved && timeMs - sinceMs >= rule.dwellMs;
  const isHeldOn = !isMoved && sameKindOfPlace(before.state, place);
  const movingMs = before.movingMs ?? timeMs;
  const steady = holds || isHeldOn || timeMs - movingMs > MOST_TRANSIENT_MS;
  const { heldValue } = before;
  const moving = value < heldValue ? RUN_DOWN : RUN_UP;
  const wasMoving = before.state.kind === 'run-up' || before.state.kind === 'run-down';
  // While the dwell time runs the value does not move any more: which way it went is what it was before.
  const transient = wasMoving && !isMoved ? before.state : moving;
  return {
    state: steady ? stateOfPlace(place) : transient,
    place,
    sinceMs,
    timeMs,
    value,
    heldValue: steady ? value : heldValue,
    recent,
    top,
    ...(steady && !isFast ? {} : { movingMs }),
    noise: noiseAfter(before, value, Math.max(CHANGE_SHARE * top, NOISE_JUMP * before.noise)),
  };
}

/**
 * Mean change from value to value, without what is a ramp: the second difference of a ramp is 0, that of noise is the
 * square root of 3 times the first. A jump counts as at most `most`.
 */
function noiseAfter({ noise, recent }: MeasureState, value: number, most: number): number {
  const [before, last] = recent.slice(-2);
  if (before === undefined || last === undefined) return noise;
  const second = Math.abs(value - 2 * last[1] + before[1]) / Math.sqrt(3);
  return noise + NOISE_RATE * (Math.min(second, most) - noise);
}

/** Whether a state that holds is that of a place: it goes on holding. */
const sameKindOfPlace = (state: OperatingState, place: string): boolean => {
  const of = stateOfPlace(place);
  return state.kind === of.kind && state.name === of.name;
};
