import { z } from 'zod';

/** Relative error of a quantile. */
const ACCURACY = 0.01;
const GAMMA = (1 + ACCURACY) / (1 - ACCURACY);
const LOG_GAMMA = Math.log(GAMMA);
/** Below it a value counts as zero. */
const SMALLEST = 1e-9;
/** 4,000 bins of 2 % span 34 decades: values beyond are counted in the last one. */
const MAX_INDEX = Math.ceil(Math.log(1e12) / LOG_GAMMA);
const MIN_INDEX = Math.floor(Math.log(SMALLEST) / LOG_GAMMA);

export const quantileSketchSchema = z.strictObject({
  zero: z.number().int().nonnegative(),
  negative: z.array(z.tuple([z.number().int(), z.number().int().positive()])).max(5000),
  positive: z.array(z.tuple([z.number().int(), z.number().int().positive()])).max(5000),
});

export type QuantileSketchState = z.infer<typeof quantileSketchSchema>;

/** Quantiles of a stream within 1 %, in bounded memory, that can be stored and goes on (DDSketch, Masson et al. 2019). */
export class QuantileSketch {
  #zero = 0;
  readonly #negative = new Map<number, number>();
  readonly #positive = new Map<number, number>();
  #count = 0;

  constructor(state?: QuantileSketchState) {
    if (state === undefined) return;
    this.#zero = state.zero;
    for (const [index, count] of state.negative) this.#negative.set(index, count);
    for (const [index, count] of state.positive) this.#positive.set(index, count);
    for (const count of [this.#zero, ...this.#negative.values(), ...this.#positive.values()])
      this.#count += count;
  }

  get count(): number {
    return this.#count;
  }

  /** Anything but a finite number is left out. */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#count++;
    const size = Math.abs(value);
    if (size < SMALLEST) {
      this.#zero++;
      return;
    }
    const side = value < 0 ? this.#negative : this.#positive;
    const index = Math.min(MAX_INDEX, Math.max(MIN_INDEX, Math.ceil(Math.log(size) / LOG_GAMMA)));
    side.set(index, (side.get(index) ?? 0) + 1);
  }

  /** The value that a share `p` (0 to 1) does not exceed; undefined where nothing was added. */
  quantile(p: number): number | undefined {
    if (this.#count === 0) return undefined;
    let rank = Math.round(p * (this.#count - 1));
    for (const [index, count] of ascending(this.#negative).reverse()) {
      if (rank < count) return -valueAt(index);
      rank -= count;
    }
    if (rank < this.#zero) return 0;
    rank -= this.#zero;
    for (const [index, count] of ascending(this.#positive)) {
      if (rank < count) return valueAt(index);
      rank -= count;
    }
    return undefined;
  }

  toJSON(): QuantileSketchState {
    return {
      zero: this.#zero,
      negative: ascending(this.#negative),
      positive: ascending(this.#positive),
    };
  }
}

const ascending = (bins: ReadonlyMap<number, number>): [number, number][] =>
  [...bins].sort(([a], [b]) => a - b);

const valueAt = (index: number): number => (2 * GAMMA ** index) / (GAMMA + 1);
