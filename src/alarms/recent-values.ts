/** Slices of the span: the extremes are right to one slice, and the memory is bounded whatever the rate. */
const SLICES = 60;

interface Slice {
  readonly index: number;
  min: number;
  max: number;
}

/** The extremes of the values of the last minutes, for the rate of change. */
export class RecentValues {
  #slices: Slice[] = [];

  add(timeMs: number, value: number, spanMs: number): void {
    const index = Math.floor((timeMs / spanMs) * SLICES);
    const newest = this.#slices.at(-1);
    // A clock that was set back by more than a slice: what came before cannot be compared any more.
    if (newest !== undefined && index < newest.index - 1) this.#slices = [];
    const slice = this.#slices.at(-1);
    if (slice !== undefined && index <= slice.index) {
      slice.min = Math.min(slice.min, value);
      slice.max = Math.max(slice.max, value);
    } else this.#slices.push({ index, min: value, max: value });
    const from = (this.#slices.at(-1)?.index ?? index) - SLICES;
    while (this.#slices[0] !== undefined && this.#slices[0].index <= from) this.#slices.shift();
  }

  get min(): number {
    return this.#slices.reduce((least, { min }) => Math.min(least, min), Number.POSITIVE_INFINITY);
  }

  get max(): number {
    return this.#slices.reduce((most, { max }) => Math.max(most, max), Number.NEGATIVE_INFINITY);
  }
}
