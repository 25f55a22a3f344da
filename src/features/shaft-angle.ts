import { SmEdgeError } from '../base/errors.js';

/** The angle of a shaft over time: what a tachometer, a declared or an estimated speed tells. Both ascend. */
export interface ShaftAngle {
  /** Seconds since the first sample of the vibration. */
  readonly timesS: Float64Array;
  /** Turns of the shaft at these times. */
  readonly turns: Float64Array;
}

const MOST_PULSES = 10_000_000;

/** The angle at a constant speed. */
export function angleAtSpeed(shaftHz: number, durationS: number): ShaftAngle {
  return { timesS: Float64Array.of(0, durationS), turns: Float64Array.of(0, durationS * shaftHz) };
}

/**
 * The angle from the times of a tachometer's pulses, of which each turn has `pulsesPerTurn`; between pulses the speed is
 * constant. Throws `TACHOMETER` for fewer than two pulses and for times that do not ascend.
 */
export function angleFromPulses(timesS: ArrayLike<number>, pulsesPerTurn = 1): ShaftAngle {
  if (timesS.length < 2 || !(pulsesPerTurn > 0))
    throw new SmEdgeError('TACHOMETER', `${timesS.length} pulses do not tell a speed`, {
      hint: 'Check the sensor of the tachometer and its distance to the mark on the shaft.',
    });
  const times = Float64Array.from(timesS);
  for (let i = 1; i < times.length; i++) {
    if (!(times[i]! > times[i - 1]!))
      throw new SmEdgeError('TACHOMETER', `pulse ${i} is not later than the one before it`);
  }
  return { timesS: times, turns: times.map((_, i) => i / pulsesPerTurn) };
}

/** Percentiles between which the signal of a tachometer swings; single spikes lie beyond them. */
const LOW_PERCENT = 0.02;
const HIGH_PERCENT = 0.98;
/** Hysteresis around the middle, share of the swing. */
const HYSTERESIS = 0.2;

/**
 * Times of the rising edges of a pulse signal, seconds, interpolated between samples. The level is the middle of the
 * signal's swing, with hysteresis, so that noise on an edge makes no second pulse.
 */
export function pulseTimes(signal: Float32Array, sampleRateHz: number): Float64Array {
  const [low, high] = swing(signal);
  const middle = (low + high) / 2;
  const arm = middle - HYSTERESIS * (high - low);
  const times: number[] = [];
  let armed = false;
  for (let i = 0; i < signal.length; i++) {
    const value = signal[i]!;
    if (value < arm) armed = true;
    else if (armed && value >= middle) {
      armed = false;
      const before = signal[i - 1]!;
      times.push((i - 1 + (middle - before) / (value - before)) / sampleRateHz);
      if (times.length > MOST_PULSES) throw new SmEdgeError('TACHOMETER', 'too many pulses in one signal');
    }
  }
  return Float64Array.from(times);
}

/** Lower and upper level of a signal that spends most of its time at one of them: short pulses count too. */
function swing(signal: Float32Array): [number, number] {
  const sorted = Float32Array.from(signal).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const [low, high] = [at(LOW_PERCENT), at(HIGH_PERCENT)];
  const [least, most] = [sorted[0] ?? 0, sorted[sorted.length - 1] ?? 0];
  // Pulses that last less than a fiftieth of a turn are beyond the percentiles.
  return high - low < (most - least) / 4 ? [least, most] : [low, high];
}

/** Mean speed over the whole angle, Hz. */
export function meanSpeedHz({ timesS, turns }: ShaftAngle): number {
  const last = timesS.length - 1;
  return (turns[last]! - turns[0]!) / (timesS[last]! - timesS[0]!);
}
