import { SmEdgeError } from '../base/errors.js';

/** How spectra of successive blocks become one (ISO 13373-2, 5.4): linear, exponential, or the highest of each bin. */
export type AveragingMode = 'linear' | 'exponential' | 'peak-hold';

/**
 * Running average of power spectra (mean square per bin; averaged is the power, not the amplitude).
 * `linear`: the mean of all. `exponential`: new = old + (P - old) / count, where count grows to `averages` and stays:
 * a linear average at first, then the time constant of that many blocks. `peak-hold`: the highest seen in each bin.
 */
export class SpectrumAverage {
  readonly mode: AveragingMode;
  readonly #averages: number;
  readonly #power: Float64Array;
  #count = 0;

  /** @param averages time constant of `exponential`, blocks; the others do not use it */
  constructor(bins: number, mode: AveragingMode, averages = 8) {
    if (!Number.isInteger(bins) || bins < 1 || !(averages >= 1))
      throw new SmEdgeError('AVERAGING', `no average of ${averages} spectra of ${bins} bins`);
    this.mode = mode;
    this.#averages = averages;
    this.#power = new Float64Array(bins);
  }

  /** Spectra taken in. */
  get count(): number {
    return this.#count;
  }

  /** The average so far: a view that the next `add` changes. All zero before the first. */
  get power(): Float64Array {
    return this.#power;
  }

  /** Takes in one spectrum. Throws `AVERAGING` for another number of bins. */
  add(power: Float64Array): Float64Array {
    const average = this.#power;
    if (power.length !== average.length)
      throw new SmEdgeError('AVERAGING', `a spectrum of ${power.length} bins, not ${average.length}`);
    this.#count++;
    if (this.mode === 'peak-hold') {
      for (let k = 0; k < average.length; k++) average[k] = Math.max(average[k]!, power[k]!);
      return average;
    }
    const share = 1 / (this.mode === 'linear' ? this.#count : Math.min(this.#count, this.#averages));
    for (let k = 0; k < average.length; k++) average[k]! += (power[k]! - average[k]!) * share;
    return average;
  }

  reset(): void {
    this.#power.fill(0);
    this.#count = 0;
  }
}
