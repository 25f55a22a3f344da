import { SmEdgeError } from '../base/errors.js';

/**
 * Butterworth filters as second-order sections, in float64, with the numbers of `scipy.signal.butter(output='sos')`
 * and `scipy.signal.sosfilt` (the sections may stand in another order; the product is the same).
 */

/** b0, b1, b2, a1, a2 of one section; a0 is 1. */
export type FilterSection = readonly [b0: number, b1: number, b2: number, a1: number, a2: number];

export type FilterKind = 'low-pass' | 'high-pass';

const MAX_ORDER = 16;

/**
 * @param cutoffHz where the power is halved, between 0 and half the sample rate.
 * @throws SmEdgeError `FILTER_DESIGN`
 */
export function butterworth(
  kind: FilterKind,
  order: number,
  cutoffHz: number,
  sampleRateHz: number,
): FilterSection[] {
  if (!Number.isInteger(order) || order < 1 || order > MAX_ORDER)
    throw new SmEdgeError('FILTER_DESIGN', `a filter of order ${order} is not between 1 and ${MAX_ORDER}`);
  if (!(cutoffHz > 0 && cutoffHz < sampleRateHz / 2))
    throw new SmEdgeError(
      'FILTER_DESIGN',
      `a cut-off of ${cutoffHz} Hz is not between 0 and half the sample rate of ${sampleRateHz} Hz`,
    );
  // Bilinear transform with the cut-off prewarped: s = (1 - z⁻¹) / (1 + z⁻¹) and the pole pair s² + d s + 1.
  const w = Math.tan((Math.PI * cutoffHz) / sampleRateHz);
  const sections: FilterSection[] = [];
  for (let pair = 0; pair < order >> 1; pair++) {
    const damping = 2 * Math.sin((Math.PI * (2 * pair + 1)) / (2 * order));
    const norm = 1 / (1 + damping * w + w * w);
    const b = kind === 'low-pass' ? w * w * norm : norm;
    const b1 = kind === 'low-pass' ? 2 * b : -2 * b;
    sections.push([b, b1, b, 2 * (w * w - 1) * norm, (1 - damping * w + w * w) * norm]);
  }
  if (order % 2 === 1) {
    const norm = 1 / (1 + w);
    const b = kind === 'low-pass' ? w * norm : norm;
    sections.push([b, kind === 'low-pass' ? b : -b, 0, (w - 1) * norm, 0]);
  }
  return sections;
}

/** A filter that runs along a signal: block after block gives the same numbers as the whole in one piece. */
export class SosFilter {
  readonly #sections: readonly FilterSection[];
  /** Two values for each section (transposed direct form II). */
  readonly #state: Float64Array;
  #scratch = new Float64Array(0);

  constructor(sections: readonly FilterSection[]) {
    this.#sections = sections;
    this.#state = new Float64Array(2 * sections.length);
  }

  /** Forgets the past: the signal was zero (scipy's `sosfilt`). */
  reset(): void {
    this.#state.fill(0);
  }

  /** The past was `value` for ever: no transient from a bias (scipy's `sosfilt_zi` times `value`). */
  settle(value: number): void {
    let input = value;
    this.#sections.forEach(([b0, b1, b2, a1, a2], i) => {
      const gain = (b0 + b1 + b2) / (1 + a1 + a2);
      this.#state[2 * i] = input * (gain - b0);
      this.#state[2 * i + 1] = input * (b2 - a2 * gain);
      input *= gain;
    });
  }

  /** Filters `samples` into `out` (which may be the same array), both of one length. */
  process(samples: ArrayLike<number>, out: Float32Array | Float64Array): void {
    const [first, ...rest] = this.#sections;
    if (first === undefined) return;
    if (rest.length === 0) {
      this.#section(0, samples, out);
      return;
    }
    // Between sections the numbers stay in float64, whatever `out` holds.
    const carry = out instanceof Float64Array ? out : this.#scratchOf(samples.length);
    this.#section(0, samples, carry);
    for (let i = 1; i < this.#sections.length - 1; i++) this.#section(i, carry, carry);
    this.#section(this.#sections.length - 1, carry, out);
  }

  #scratchOf(length: number): Float64Array {
    if (this.#scratch.length < length) this.#scratch = new Float64Array(length);
    return this.#scratch;
  }

  #section(index: number, samples: ArrayLike<number>, out: Float32Array | Float64Array): void {
    const [b0, b1, b2, a1, a2] = this.#sections[index]!;
    let z1 = this.#state[2 * index]!;
    let z2 = this.#state[2 * index + 1]!;
    const count = Math.min(samples.length, out.length);
    for (let i = 0; i < count; i++) {
      const x = samples[i]!;
      const y = b0 * x + z1;
      z1 = b1 * x - a1 * y + z2;
      z2 = b2 * x - a2 * y;
      out[i] = y;
    }
    this.#state[2 * index] = z1;
    this.#state[2 * index + 1] = z2;
  }
}
