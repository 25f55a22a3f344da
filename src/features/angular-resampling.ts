import type { ShaftAngle } from './shaft-angle.js';

/**
 * Samples at equal angles of the shaft in place of equal times (computed order tracking, Fyfe and Munck 1997): what
 * turns with the shaft keeps its order however the speed wanders. A natural cubic spline runs through the samples.
 *
 * Covers the whole turns of `angle` that lie within the signal. `samplesPerTurn` must be at least twice the highest
 * order in the signal (Nyquist): orders above half of it fold down.
 */
export function resampleByAngle(
  samples: Float32Array,
  sampleRateHz: number,
  angle: ShaftAngle,
  samplesPerTurn: number,
): Float32Array {
  const spline = new CubicSpline(samples);
  const { timesS, turns } = angle;
  const endS = (samples.length - 1) / sampleRateHz;
  const last = timesS.length - 1;
  const out: number[] = [];
  const first = Math.ceil(turns[0]! - 1e-9);
  let knot = 0;
  for (let i = 0; ; i++) {
    const turn = first + i / samplesPerTurn;
    if (turn > turns[last]!) break;
    while (knot < last - 1 && turns[knot + 1]! < turn) knot++;
    const share = (turn - turns[knot]!) / (turns[knot + 1]! - turns[knot]!);
    const timeS = timesS[knot]! + share * (timesS[knot + 1]! - timesS[knot]!);
    if (timeS > endS) break;
    out.push(timeS < 0 ? samples[0]! : spline.at(timeS * sampleRateHz));
  }
  const whole = Math.floor(out.length / samplesPerTurn) * samplesPerTurn;
  return Float32Array.from(out.slice(0, whole));
}

/** A natural cubic spline through samples at the places 0, 1, 2 …; scipy's CubicSpline(bc_type='natural'). */
class CubicSpline {
  readonly #values: Float32Array;
  /** Second derivatives over 6 at the samples. */
  readonly #bend: Float64Array;

  constructor(values: Float32Array) {
    const n = values.length;
    const bend = new Float64Array(n);
    const upper = new Float64Array(n);
    // Thomas' algorithm for bend[i-1] + 4 bend[i] + bend[i+1] = second difference.
    for (let i = 1; i < n - 1; i++) {
      const pivot = 4 - upper[i - 1]!;
      upper[i] = 1 / pivot;
      bend[i] = (values[i + 1]! - 2 * values[i]! + values[i - 1]! - bend[i - 1]!) / pivot;
    }
    for (let i = n - 2; i > 0; i--) bend[i] = bend[i]! - upper[i]! * bend[i + 1]!;
    this.#values = values;
    this.#bend = bend;
  }

  at(place: number): number {
    const values = this.#values;
    const i = Math.max(0, Math.min(values.length - 2, Math.floor(place)));
    const b = place - i;
    const a = 1 - b;
    return (
      a * values[i]! +
      b * values[i + 1]! +
      (a * a * a - a) * this.#bend[i]! +
      (b * b * b - b) * this.#bend[i + 1]!
    );
  }
}
