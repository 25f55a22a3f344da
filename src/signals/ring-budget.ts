import { SmEdgeError } from '../base/errors.js';
import { SampleRing } from './ring-buffer.js';

/** How long a ring is to be. */
export interface RingSize {
  readonly sampleRateHz: number;
  /** Signal kept, milliseconds. */
  readonly durationMs: number;
  /** Most memory of this ring, bytes; no limit of its own where missing. */
  readonly maxBytes?: number;
  /** The ring is never shorter, whatever the duration. */
  readonly leastSamples?: number;
}

/** Half of a ring can be looked at in one piece. */
const windowOf = (capacitySamples: number): number => Math.max(1, Math.floor(capacitySamples / 2));

const bytesOf = (capacitySamples: number): number =>
  SampleRing.bytesFor(capacitySamples, windowOf(capacitySamples));

/** Samples of a ring: as long as wanted, as large as allowed, but never less than `leastSamples`. */
export function ringCapacity({ sampleRateHz, durationMs, maxBytes, leastSamples = 1 }: RingSize): number {
  const wanted = Math.ceil((durationMs / 1000) * sampleRateHz);
  if (maxBytes === undefined || bytesOf(wanted) <= maxBytes) return Math.max(wanted, leastSamples);
  const header = bytesOf(1) - 4 * 2;
  // Four bytes for a sample and two for its share of the mirrored window.
  return Math.max(Math.floor((maxBytes - header) / 6), leastSamples);
}

/** The memory of all rings together. A ring that does not fit is refused, never another one ended for it. */
export class RingBudget {
  readonly limitBytes: number;
  readonly #rings = new Map<string, { readonly ring: SampleRing; readonly bytes: number }>();
  #used = 0;
  #refused = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes of the rings that there are. */
  get usedBytes(): number {
    return this.#used;
  }

  get rings(): number {
    return this.#rings.size;
  }

  /** Rings that did not fit. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * The ring of a key; one that was there is given up for it.
   * @throws SmEdgeError `RING_BUDGET` where the memory of all rings does not suffice
   */
  create(key: string, size: RingSize): SampleRing {
    this.release(key);
    const capacity = ringCapacity(size);
    const bytes = bytesOf(capacity);
    if (this.#used + bytes > this.limitBytes) {
      this.#refused++;
      throw new SmEdgeError(
        'RING_BUDGET',
        `the ring of ${key} takes ${bytes} bytes; ${this.#used} of ${this.limitBytes} are in use`,
        { hint: 'Raise analysis.memory, or shorten analysis.ring or analysis.ringBytes.' },
      );
    }
    const ring = SampleRing.create(capacity, windowOf(capacity));
    this.#rings.set(key, { ring, bytes });
    this.#used += bytes;
    return ring;
  }

  /** Gives the memory of a ring back; who still holds it may read on. */
  release(key: string): void {
    const known = this.#rings.get(key);
    if (known === undefined) return;
    this.#rings.delete(key);
    this.#used -= known.bytes;
  }

  /** Gaps marked and windows overrun, over all rings. */
  totals(): { gaps: number; overruns: number } {
    let gaps = 0;
    let overruns = 0;
    for (const { ring } of this.#rings.values()) {
      gaps += ring.gaps;
      overruns += ring.overruns;
    }
    return { gaps, overruns };
  }
}
