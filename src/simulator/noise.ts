import { gaussian, type Random } from '../base/random.js';

const TABLE_BITS = 16;
const TABLE_SIZE = 1 << TABLE_BITS;
const MASK = TABLE_SIZE - 1;

/**
 * White Gaussian noise from a table: drawing each sample anew would cost more than all the rest of a machine.
 * Two readings of the table at offsets that change with every block are added, so that nothing repeats with the
 * period of the table.
 */
export class Noise {
  readonly #table: Float32Array;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#table = new Float32Array(TABLE_SIZE);
    // Scaled so that the sum of two readings has the variance 1.
    for (let i = 0; i < TABLE_SIZE; i++) this.#table[i] = gaussian(random) * Math.SQRT1_2;
  }

  /** Adds noise of standard deviation `rms` to `out`. */
  addTo(out: Float32Array, rms: number): void {
    const table = this.#table;
    let a = Math.floor(this.#random() * TABLE_SIZE);
    // The second reading runs backwards: the distance between the two never stays the same.
    let b = Math.floor(this.#random() * TABLE_SIZE);
    for (let i = 0; i < out.length; i++) {
      out[i]! += rms * (table[a]! + table[b]!);
      a = (a + 1) & MASK;
      b = (b - 1) & MASK;
    }
  }
}
