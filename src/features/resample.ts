import { SmEdgeError } from '../base/errors.js';

/**
 * Change of the sample rate by up/down with a polyphase low-pass filter: only the samples that are kept are
 * computed. The numbers of `scipy.signal.resample_poly` and of `scipy.signal.decimate(ftype='fir')`, in float64.
 */

const MAX_RATIO = 1024;

/** Modified Bessel function of the first kind and order zero. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; k < 200 && term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

export type TaperName = 'kaiser' | 'hamming';
/** scipy's choice for `resample_poly`. */
const KAISER_BETA = 5;

/** Linear-phase low-pass of `taps` taps, cut off at `cutoff` of half the rate, unity at zero frequency (`scipy.signal.firwin`). */
export function lowPassTaps(taps: number, cutoff: number, taper: TaperName): Float64Array {
  const middle = (taps - 1) / 2;
  const values = Float64Array.from({ length: taps }, (_, i) => {
    const x = i - middle;
    const sinc = x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x);
    const window =
      taper === 'hamming'
        ? 0.54 - 0.46 * Math.cos((2 * Math.PI * i) / (taps - 1))
        : besselI0(KAISER_BETA * Math.sqrt(Math.max(0, 1 - (x / middle) ** 2))) / besselI0(KAISER_BETA);
    return sinc * window;
  });
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * A resampler that runs along a signal: each block gives the output samples that it completes, and the blocks
 * together what the whole signal gives in one piece. The output is in phase with the input: output sample m is at
 * input time m · down / up; it comes out `delaySamples` input samples late.
 */
export class PolyphaseResampler {
  readonly up: number;
  readonly down: number;
  /** Input samples that must follow before an output sample can be computed. */
  readonly delaySamples: number;
  /** Phase p of the filter: the taps that meet input samples when the output lies p/up after one of them. */
  readonly #phases: readonly Float64Array[];
  readonly #reach: number;
  readonly #half: number;
  /** The input that later outputs still need, and the index of its first sample. */
  #history: Float64Array;
  #historyFrom: number;
  #held: number;
  #received = 0;
  #produced = 0;

  /**
   * @param taps filter at the rate input · up, an odd number of taps, unity at zero frequency; scipy's Kaiser window
   * of 20 · max(up, down) + 1 taps where missing.
   * @throws SmEdgeError `RESAMPLE_RATIO`
   */
  constructor(up: number, down: number, taps?: Float64Array) {
    const whole = (value: number) => Number.isInteger(value) && value >= 1;
    const divisor = whole(up) && whole(down) ? greatestCommonDivisor(up, down) : 1;
    this.up = up / divisor;
    this.down = down / divisor;
    if (!whole(up) || !whole(down) || Math.max(this.up, this.down) > MAX_RATIO)
      throw new SmEdgeError(
        'RESAMPLE_RATIO',
        `${up}/${down} is no ratio of whole numbers up to ${MAX_RATIO}`,
      );
    const widest = Math.max(this.up, this.down);
    const filter = taps ?? lowPassTaps(20 * widest + 1, 1 / widest, 'kaiser');
    if (filter.length % 2 === 0)
      throw new SmEdgeError('RESAMPLE_RATIO', `a filter of ${filter.length} taps has no middle`);
    this.#half = (filter.length - 1) / 2;
    // Output at time t (in steps of 1/up) needs input n where |t - n·up| <= half.
    this.#reach = Math.floor(this.#half / this.up) + 1;
    this.delaySamples = Math.floor(this.#half / this.up);
    this.#phases = Array.from({ length: this.up }, (_, phase) =>
      Float64Array.from({ length: 2 * this.#reach + 1 }, (_, j) => {
        // Input sample (base + reach - j): its distance to the output is phase + (j - reach)·up.
        const at = this.#half + phase + (j - this.#reach) * this.up;
        return at >= 0 && at < filter.length ? filter[at]! * this.up : 0;
      }).reverse(),
    );
    this.#history = new Float64Array(4 * this.#reach + 2);
    this.#historyFrom = -this.#reach;
    this.#held = this.#reach;
  }

  /** Samples of the signal's next block; returns the outputs that are complete now. */
  process(samples: ArrayLike<number>): Float64Array {
    this.#append(samples);
    this.#received += samples.length;
    return this.#outputs(this.#received);
  }

  /** The rest of the outputs of a signal that ends here, with zeros after its end; begins anew. */
  flush(): Float64Array {
    const total = this.#received;
    this.#append(new Float64Array(this.#reach + 1));
    const outputs = this.#outputs(total + this.#reach + 1, total);
    this.reset();
    return outputs;
  }

  reset(): void {
    this.#history.fill(0);
    this.#historyFrom = -this.#reach;
    this.#held = this.#reach;
    this.#received = 0;
    this.#produced = 0;
  }

  /** Outputs whose filter lies within the input before `available`, but none after input `end`. */
  #outputs(available: number, end = available): Float64Array {
    const last = Math.floor(((available - 1 - this.#reach) * this.up + this.up - 1) / this.down);
    const inSignal = Math.ceil((end * this.up) / this.down) - 1;
    const count = Math.max(0, Math.min(last, inSignal) - this.#produced + 1);
    const out = new Float64Array(count);
    const width = 2 * this.#reach + 1;
    for (let i = 0; i < count; i++) {
      const time = (this.#produced + i) * this.down;
      const base = Math.floor(time / this.up);
      const phase = this.#phases[time - base * this.up]!;
      const from = base - this.#reach - this.#historyFrom;
      let sum = 0;
      for (let j = 0; j < width; j++) sum += phase[j]! * this.#history[from + j]!;
      out[i] = sum;
    }
    this.#produced += count;
    this.#drop();
    return out;
  }

  #append(samples: ArrayLike<number>): void {
    const needed = this.#held + samples.length;
    if (needed > this.#history.length) {
      const larger = new Float64Array(2 * needed);
      larger.set(this.#history.subarray(0, this.#held));
      this.#history = larger;
    }
    this.#history.set(samples, this.#held);
    this.#held = needed;
  }

  /** Lets go of the input that no later output needs. */
  #drop(): void {
    const needed = Math.floor((this.#produced * this.down) / this.up) - this.#reach;
    const gone = Math.min(this.#held, needed - this.#historyFrom);
    if (gone <= 0) return;
    this.#history.copyWithin(0, gone, this.#held);
    this.#held -= gone;
    this.#historyFrom += gone;
  }
}

/** A whole signal at `up / down` times its rate; ceil(length · up / down) samples (`scipy.signal.resample_poly`). */
export function resamplePoly(samples: ArrayLike<number>, up: number, down: number): Float64Array {
  return whole(new PolyphaseResampler(up, down), samples);
}

/** Every `factor`-th sample of the signal after a low-pass of 20 · factor + 1 taps (`scipy.signal.decimate(ftype='fir')`). */
export function decimate(samples: ArrayLike<number>, factor: number): Float64Array {
  return whole(createDecimator(factor), samples);
}

/** The same along a stream. */
export function createDecimator(factor: number): PolyphaseResampler {
  return new PolyphaseResampler(1, factor, lowPassTaps(20 * factor + 1, 1 / factor, 'hamming'));
}

function whole(resampler: PolyphaseResampler, samples: ArrayLike<number>): Float64Array {
  if (resampler.up === resampler.down) return Float64Array.from(samples);
  const begin = resampler.process(samples);
  const end = resampler.flush();
  const out = new Float64Array(begin.length + end.length);
  out.set(begin);
  out.set(end, begin.length);
  return out;
}
