import { SmEdgeError } from '../base/errors.js';

/**
 * The latest samples of one measuring point in shared memory: one writer, any number of readers in any thread, no
 * lock. A sample's index counts from the first one ever written, so it stays valid as the ring turns.
 *
 * A window is always one piece of memory: the first `maxWindow` places are written a second time behind the end.
 * The writer announces how far it is about to write before it writes; a reader that looks at this mark after its
 * work knows whether its window was whole to the end.
 */

/** Everything another thread needs to attach. */
export interface SampleRingHandle {
  readonly buffer: SharedArrayBuffer;
  readonly capacitySamples: number;
  readonly maxWindowSamples: number;
}

/** Places in the header, 64-bit each. */
const WRITTEN = 0;
const ANNOUNCED = 1;
const OVERRUNS = 2;
const GAPS = 3;
/** Written by readers only to order their memory accesses. */
const FENCE = 4;
const GAP_TABLE = 5;
/** Gaps remembered; older ones make everything before them count as broken. */
const GAP_SLOTS = 64;
const HEADER_BYTES = (GAP_TABLE + GAP_SLOTS) * 8;
/** 1 GiB of samples: no single point needs more. */
const MAX_CAPACITY = 2 ** 28;

export class SampleRing {
  readonly handle: SampleRingHandle;
  readonly #header: BigInt64Array;
  readonly #samples: Float32Array;
  readonly #capacity: number;
  readonly #maxWindow: number;

  private constructor(handle: SampleRingHandle) {
    this.handle = handle;
    this.#capacity = handle.capacitySamples;
    this.#maxWindow = handle.maxWindowSamples;
    this.#header = new BigInt64Array(handle.buffer, 0, HEADER_BYTES / 8);
    this.#samples = new Float32Array(handle.buffer, HEADER_BYTES);
  }

  /**
   * @param capacitySamples samples kept.
   * @param maxWindowSamples longest window that can be read; each sample of it costs another 4 bytes.
   */
  static create(capacitySamples: number, maxWindowSamples = capacitySamples): SampleRing {
    if (!Number.isInteger(capacitySamples) || capacitySamples < 1 || capacitySamples > MAX_CAPACITY)
      throw new SmEdgeError('RING_SIZE', `a ring of ${capacitySamples} samples is not between 1 and 2^28`);
    if (!Number.isInteger(maxWindowSamples) || maxWindowSamples < 1 || maxWindowSamples > capacitySamples)
      throw new SmEdgeError(
        'RING_SIZE',
        `windows of ${maxWindowSamples} do not fit ${capacitySamples} samples`,
      );
    const buffer = new SharedArrayBuffer(SampleRing.bytesFor(capacitySamples, maxWindowSamples));
    return new SampleRing({ buffer, capacitySamples, maxWindowSamples });
  }

  /** Memory of a ring, bytes: for the budget over all of them. */
  static bytesFor(capacitySamples: number, maxWindowSamples = capacitySamples): number {
    return HEADER_BYTES + 4 * (capacitySamples + maxWindowSamples);
  }

  static attach(handle: SampleRingHandle): SampleRing {
    return new SampleRing(handle);
  }

  get capacitySamples(): number {
    return this.#capacity;
  }

  /** Longest window that can be read in one piece. */
  get maxWindowSamples(): number {
    return this.#maxWindow;
  }

  /** Samples written since the start: the index that the next sample gets. */
  get written(): number {
    return Number(Atomics.load(this.#header, WRITTEN));
  }

  /** Index of the oldest sample that is still there. */
  get oldest(): number {
    return Math.max(0, Number(Atomics.load(this.#header, ANNOUNCED)) - this.#capacity);
  }

  /** Windows that the writer overran while, or before, somebody read them. */
  get overruns(): number {
    return Number(Atomics.load(this.#header, OVERRUNS));
  }

  /** Breaks in the signal that were marked. */
  get gaps(): number {
    return Number(Atomics.load(this.#header, GAPS));
  }

  /** Appends samples (one writer only); returns the absolute index of the first of them. */
  write(samples: Float32Array): number {
    const capacity = this.#capacity;
    const start = this.written;
    const end = start + samples.length;
    Atomics.store(this.#header, ANNOUNCED, BigInt(end));
    // On ARM a plain store may overtake a release store before it, but never an acquire load.
    Atomics.load(this.#header, ANNOUNCED);
    // Of a block longer than the ring only its end can stay.
    let offset = Math.max(0, samples.length - capacity);
    while (offset < samples.length) {
      const place = (start + offset) % capacity;
      const count = Math.min(samples.length - offset, capacity - place);
      const piece = samples.subarray(offset, offset + count);
      this.#samples.set(piece, place);
      const mirrored = Math.min(count, this.#maxWindow - place);
      if (mirrored > 0) this.#samples.set(piece.subarray(0, mirrored), capacity + place);
      offset += count;
    }
    Atomics.store(this.#header, WRITTEN, BigInt(end));
    return start;
  }

  /** Marks that the next sample does not follow the last one in time (writer only): no window will span the two. */
  markGap(): void {
    const count = Atomics.load(this.#header, GAPS);
    Atomics.store(this.#header, GAP_TABLE + (Number(count) % GAP_SLOTS), BigInt(this.written));
    Atomics.store(this.#header, GAPS, count + 1n);
  }

  /**
   * First index behind the last gap inside (fromIndex, fromIndex + length), or undefined where the window is
   * unbroken. A window so old that gaps in it may be forgotten counts as broken.
   */
  gapWithin(fromIndex: number, length: number): number | undefined {
    return this.#gapWithin(fromIndex, length, Math.max);
  }

  /** First index behind the first gap inside (fromIndex, fromIndex + length): where an unbroken run ends. */
  firstGapWithin(fromIndex: number, length: number): number | undefined {
    return this.#gapWithin(fromIndex, length, Math.min);
  }

  #gapWithin(
    fromIndex: number,
    length: number,
    choose: (a: number, b: number) => number,
  ): number | undefined {
    const count = this.gaps;
    const known = Math.min(count, GAP_SLOTS);
    let oldestKnown = Number.POSITIVE_INFINITY;
    let found: number | undefined;
    for (let i = 1; i <= known; i++) {
      const index = Number(Atomics.load(this.#header, GAP_TABLE + ((count - i) % GAP_SLOTS)));
      oldestKnown = Math.min(oldestKnown, index);
      if (index > fromIndex && index < fromIndex + length)
        found = found === undefined ? index : choose(found, index);
    }
    if (found === undefined && count > GAP_SLOTS && fromIndex < oldestKnown)
      return Math.min(oldestKnown, fromIndex + length);
    return found;
  }

  /**
   * A view of `length` samples from `fromIndex` on: no copy, so the writer may overrun it. Look at `isIntact`
   * after use. Throws `RING_WINDOW` for a window that is too long or not yet written, `RING_OVERRUN` where it is no
   * longer there, `RING_GAP` where it would span a gap.
   */
  read(fromIndex: number, length: number): Float32Array {
    if (!Number.isInteger(fromIndex) || fromIndex < 0 || !Number.isInteger(length) || length < 1)
      throw new SmEdgeError('RING_WINDOW', `no window of ${length} samples from ${fromIndex}`);
    if (length > this.#maxWindow)
      throw new SmEdgeError('RING_WINDOW', `a window of ${length} samples is longer than ${this.#maxWindow}`);
    if (fromIndex + length > this.written)
      throw new SmEdgeError('RING_WINDOW', `samples up to ${fromIndex + length} are not written yet`, {
        retryable: true,
      });
    if (!this.#holds(fromIndex)) {
      Atomics.add(this.#header, OVERRUNS, 1n);
      throw new SmEdgeError('RING_OVERRUN', `samples from ${fromIndex} on were overwritten`, {
        hint: 'The analysis is slower than the source: use fewer points, a lower rate or a longer ring.',
      });
    }
    if (this.gapWithin(fromIndex, length) !== undefined)
      throw new SmEdgeError('RING_GAP', `samples are missing within ${length} from ${fromIndex}`);
    const place = fromIndex % this.#capacity;
    return this.#samples.subarray(place, place + length);
  }

  /** Whether a window read from `fromIndex` has been whole up to now; counts an overrun where it has not. */
  isIntact(fromIndex: number): boolean {
    // The plain loads of the window are done before this store is, and the store before the load of the mark.
    Atomics.store(this.#header, FENCE, 0n);
    if (this.#holds(fromIndex)) return true;
    Atomics.add(this.#header, OVERRUNS, 1n);
    return false;
  }

  /** A copy of a window that is certain to be whole. Throws as `read` does. */
  copy(fromIndex: number, length: number): Float32Array {
    const samples = Float32Array.from(this.read(fromIndex, length));
    if (this.isIntact(fromIndex)) return samples;
    throw new SmEdgeError('RING_OVERRUN', `samples from ${fromIndex} on were overwritten while copied`);
  }

  #holds(fromIndex: number): boolean {
    return Number(Atomics.load(this.#header, ANNOUNCED)) - this.#capacity <= fromIndex;
  }
}
