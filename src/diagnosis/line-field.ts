import type { LineSpectrum } from '../features/line-spectrum.js';
import { surpriseTable } from './chance.js';

/** No line counts for more: one line alone, however tall, must not make a case. */
const MOST_SURPRISE = 10;
/** Ratio of a line to its floor that noise reaches easily. */
export const NOISE_RATIO = 1.6;
/** A line nearer than this to a whole order of the shaft is on it, bins. */
const ORDER_BINS = 1.6;

/** How surprising the line at each frequency of a spectrum is, if there were only noise; computed once. */
export class LineField {
  readonly #binHz: number;
  readonly #surprise: Float64Array;
  readonly #weight: Float64Array;
  /** Where the line is that is found from each bin. */
  readonly #lineBin: Int32Array;

  constructor({ amplitude, floor, binHz, averages }: LineSpectrum) {
    const table = surpriseTable(averages, MOST_SURPRISE);
    this.#binHz = binHz;
    this.#surprise = new Float64Array(amplitude.length);
    this.#weight = new Float64Array(amplitude.length);
    this.#lineBin = new Int32Array(amplitude.length);
    for (let k = 1; k + 1 < amplitude.length; k++) {
      const line = highest(amplitude, k);
      this.#lineBin[k] = line;
      // On the skirt of a higher line there is no line.
      const isSummit = line < 2 || line + 2 >= amplitude.length || highest(amplitude, line) === line;
      if (!isSummit || !(floor[line]! > 0)) continue;
      const ratio = amplitude[line]! / floor[line]!;
      this.#surprise[k] = table(ratio);
      this.#weight[k] = Math.max(0, Math.log(ratio / NOISE_RATIO));
    }
  }

  holds(frequencyHz: number): boolean {
    const bin = Math.round(frequencyHz / this.#binHz);
    return bin >= 1 && bin + 1 < this.#surprise.length;
  }

  /**
   * -ln of the chance that noise makes the line next to a frequency; 0 for a line on a whole order of the shaft, which
   * proves nothing for the bearing.
   */
  at(frequencyHz: number, shaftHz: number): number {
    const bin = Math.round(frequencyHz / this.#binHz);
    const surprise = this.#surprise[bin] ?? 0;
    return surprise === 0 || this.#isShafts(bin, frequencyHz, shaftHz) ? 0 : surprise;
  }

  /** Logarithm of the line over what noise reaches; 0 for a line on a whole order of the shaft. */
  weightAt(frequencyHz: number, shaftHz: number): number {
    const bin = Math.round(frequencyHz / this.#binHz);
    const weight = this.#weight[bin] ?? 0;
    return weight === 0 || this.#isShafts(bin, frequencyHz, shaftHz) ? 0 : weight;
  }

  #isShafts(bin: number, frequencyHz: number, shaftHz: number): boolean {
    return this.#onOrder(frequencyHz, shaftHz) || this.#onOrder(this.#lineBin[bin]! * this.#binHz, shaftHz);
  }

  #onOrder(frequencyHz: number, shaftHz: number): boolean {
    const order = frequencyHz / shaftHz;
    return Math.abs(order - Math.round(order)) * shaftHz < ORDER_BINS * this.#binHz;
  }
}

function highest(amplitude: Float64Array, bin: number): number {
  let best = bin;
  if (amplitude[bin - 1]! > amplitude[best]!) best = bin - 1;
  if (amplitude[bin + 1]! > amplitude[best]!) best = bin + 1;
  return best;
}
