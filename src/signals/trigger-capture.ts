import { SmEdgeError } from '../base/errors.js';
import type { SampleRing } from './ring-buffer.js';

/** Why a capture is shorter than it was to be. */
export type CaptureCut = 'gap' | 'overrun' | 'ended';

export interface CapturedSignal {
  readonly samples: Float32Array;
  /** Index of the first sample in its ring. */
  readonly fromIndex: number;
  /** The sample of the trigger, counted from the first one. */
  readonly triggerOffset: number;
  /** What came before the first sample, or after the last, was not to be had. */
  readonly cut: readonly CaptureCut[];
}

/**
 * Raw signal from before a trigger and after it: what the ring still holds is copied at once, the rest as it is
 * written. A capture never spans a gap: it begins behind the last one before the trigger and ends at the first after it.
 */
export class TriggerCapture {
  readonly #ring: SampleRing;
  readonly #samples: Float32Array;
  readonly #from: number;
  readonly #end: number;
  readonly #triggerIndex: number;
  readonly #cut: CaptureCut[] = [];
  #filled = 0;
  #done = false;

  /** @param triggerIndex the first sample that counts as after the trigger; at most what was written so far */
  constructor(
    ring: SampleRing,
    triggerIndex: number,
    beforeSamples: number,
    afterSamples: number,
    firstIndex = 0,
  ) {
    if (!(beforeSamples >= 0 && afterSamples >= 0 && beforeSamples + afterSamples >= 1))
      throw new SmEdgeError('CAPTURE', `no capture of ${beforeSamples} and ${afterSamples} samples`);
    this.#ring = ring;
    this.#triggerIndex = Math.min(triggerIndex, ring.written);
    const wanted = Math.max(firstIndex, this.#triggerIndex - Math.floor(beforeSamples));
    // A writer that is at work while the copy is made must not overrun its beginning.
    const there = Math.min(this.#triggerIndex, Math.max(wanted, ring.oldest));
    const behindGap = ring.gapWithin(there, this.#triggerIndex - there) ?? there;
    this.#from = Math.min(behindGap, this.#triggerIndex);
    if (there > wanted) this.#cut.push('overrun');
    if (behindGap > there) this.#cut.push('gap');
    this.#end = this.#triggerIndex + Math.floor(afterSamples);
    this.#samples = new Float32Array(this.#end - this.#from);
    this.advance();
  }

  /** Whether nothing more is to come. */
  get done(): boolean {
    return this.#done;
  }

  /** Memory held, bytes. */
  get bytes(): number {
    return this.#samples.byteLength;
  }

  /** Takes over what was written since the last call; true when the capture is complete. */
  advance(): boolean {
    while (!this.#done && this.#filled < this.#samples.length) {
      const at = this.#from + this.#filled;
      const available = Math.min(this.#ring.written, this.#end) - at;
      if (available <= 0) return false;
      this.#take(at, Math.min(available, this.#ring.maxWindowSamples));
    }
    this.#done = true;
    return true;
  }

  /** Nothing more will be written: the capture ends here. */
  end(): void {
    if (!this.#done && this.#filled < this.#samples.length) this.#cut.push('ended');
    this.#done = true;
  }

  /** The signal so far. */
  result(): CapturedSignal {
    return {
      samples: this.#samples.subarray(0, this.#filled),
      fromIndex: this.#from,
      triggerOffset: this.#triggerIndex - this.#from,
      cut: this.#cut,
    };
  }

  #take(at: number, available: number): void {
    // A gap right before sample `at` counts too, unless the capture begins with it.
    const start = Math.max(this.#from, at - 1);
    const first = this.#ring.firstGapWithin(start, available + at - start);
    const count = first === undefined ? available : Math.max(0, first - at);
    try {
      if (count > 0) {
        this.#samples.set(this.#ring.read(at, count), this.#filled);
        if (!this.#ring.isIntact(at)) throw new SmEdgeError('RING_OVERRUN', 'overwritten while copied');
      }
      this.#filled += count;
      if (first === undefined) return;
      this.#cut.push('gap');
    } catch (thrown) {
      this.#cut.push((thrown as { code?: string }).code === 'RING_GAP' ? 'gap' : 'overrun');
    }
    this.#done = true;
  }
}
