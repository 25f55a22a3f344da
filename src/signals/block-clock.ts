/**
 * Start times for the blocks of a continuous stream. A block's time of arrival says when it ended, give or take
 * the delays on its way; stamped by it alone, consecutive blocks would overlap and gape by milliseconds. So the
 * blocks are laid end to end, and the row is drawn slowly towards what the arrivals say, until a sequence number
 * or a pause shows that something is missing.
 */

/** A block that came in, as far as its time goes. */
export interface BlockArrival {
  /** Samples in the block (of one channel). */
  readonly count: number;
  readonly sampleRateHz: number;
  /** Wall clock when the block was complete, milliseconds since the Unix epoch. */
  readonly arrivalMs: number;
  /** The device's own time of the first sample, where it sends one. */
  readonly deviceTimeMs?: number;
  /** The device's running number of the block, where it sends one, and the number after which it starts at 0. */
  readonly sequence?: number;
  readonly sequenceModulus?: number;
  /** The transport says that it may have been sent before (the DUP flag of MQTT). */
  readonly repeated?: boolean;
}

export interface BlockStamp {
  readonly startTimeMs: number;
  /** `start`: the first block. `contiguous`: it follows the one before. `gap`: something between is missing. */
  readonly continuity: 'start' | 'contiguous' | 'gap';
  /** Blocks that the sequence numbers show to be missing before this one. */
  readonly lostBlocks: number;
}

/** Arrivals may be this much off the row before it is taken for a pause: what a network and a broker delay. */
const ARRIVAL_TOLERANCE_MS = 1_000;
/**
 * Blocks that come faster than they were sampled are a backlog (a broker that kept them, a file that is played):
 * they are laid end to end too, until the row is this far ahead of the clock.
 */
const BACKLOG_TOLERANCE_MS = 30_000;
/**
 * A backlog is over when blocks took about the time to arrive that they took to be sampled for so long. Only then is the row set
 * back to the clock: new samples then lie over the end of the backlog, and a sender that is only slow for a moment must not cause it.
 */
const LIVE_MS = 10_000;
/** Device times may be rounded, no more. */
const DEVICE_TOLERANCE_MS = 5;
/** The row is drawn to the arrivals by at most this share: under half a sample in a block of 4096. */
const MAX_SLEW = 100e-6;
export class BlockClock {
  /** Where the next block starts, if nothing is missing. */
  #nextMs: number | undefined;
  #lastSequence: number | undefined;
  #durationMs = 0;
  #lastArrivalMs = Number.NEGATIVE_INFINITY;
  /** Since when no block came in a hurry. */
  #unhurriedSinceMs = Number.NEGATIVE_INFINITY;

  /** The stamp of the next block. */
  stamp(block: BlockArrival): BlockStamp {
    const durationMs = (block.count * 1000) / block.sampleRateHz;
    const step = this.#sequenceStep(block);
    const expectedMs = this.#nextMs;

    if (expectedMs !== undefined && step !== undefined && step <= 0 && block.repeated === true) {
      // Sent again (a QoS 1 redelivery): the time it had before, so that it is the same block to the store.
      // Without the flag it is a device that started anew, and counts from there.
      return {
        startTimeMs: block.deviceTimeMs ?? expectedMs + (step - 1) * this.#durationMs,
        continuity: 'contiguous',
        lostBlocks: 0,
      };
    }
    const lostBlocks = step === undefined || step < 1 ? 0 : step - 1;
    if (block.sequence !== undefined) this.#lastSequence = block.sequence;
    this.#durationMs = durationMs;

    const hurried = block.arrivalMs - this.#lastArrivalMs < durationMs / 2;
    if (hurried) this.#unhurriedSinceMs = block.arrivalMs;
    const observedMs = block.deviceTimeMs ?? block.arrivalMs - durationMs;
    const placed = this.#place(expectedMs, observedMs, block, lostBlocks, step);
    this.#nextMs = placed.ms + durationMs;
    this.#lastArrivalMs = block.arrivalMs;
    return { startTimeMs: placed.ms, continuity: placed.continuity, lostBlocks };
  }

  #place(
    expectedMs: number | undefined,
    observedMs: number,
    block: BlockArrival,
    lostBlocks: number,
    step: number | undefined,
  ): { ms: number; continuity: BlockStamp['continuity'] } {
    if (expectedMs === undefined) return { ms: observedMs, continuity: 'start' };
    const durationMs = this.#durationMs;
    const rowMs = expectedMs + lostBlocks * durationMs;
    const deviationMs = observedMs - rowMs;
    const toleranceMs = this.#toleranceMs(block, deviationMs, durationMs);
    // Numbers in sequence prove that nothing is missing, however late a block comes; a wall clock that was set
    // moves the row all the same.
    const proven = step === 1 && block.deviceTimeMs === undefined && Math.abs(deviationMs) < 60_000;
    if (Math.abs(deviationMs) > toleranceMs && !proven) return { ms: observedMs, continuity: 'gap' };
    const slewMs = MAX_SLEW * durationMs;
    const ms = rowMs + Math.max(-slewMs, Math.min(slewMs, deviationMs));
    return { ms, continuity: lostBlocks > 0 ? 'gap' : 'contiguous' };
  }

  #toleranceMs(block: BlockArrival, deviationMs: number, durationMs: number): number {
    if (block.deviceTimeMs !== undefined) return Math.max(DEVICE_TOLERANCE_MS, durationMs / 2);
    const isBacklog = block.arrivalMs - this.#unhurriedSinceMs < LIVE_MS;
    if (deviationMs < 0 && isBacklog) return BACKLOG_TOLERANCE_MS;
    return Math.max(ARRIVAL_TOLERANCE_MS, 2 * durationMs);
  }

  /** How far the sequence number went, 1 for the next block; undefined where there is none to compare. */
  #sequenceStep({ sequence, sequenceModulus }: BlockArrival): number | undefined {
    if (sequence === undefined || this.#lastSequence === undefined) return undefined;
    const step = sequence - this.#lastSequence;
    if (sequenceModulus === undefined) return step;
    const wrapped = ((step % sequenceModulus) + sequenceModulus) % sequenceModulus;
    return wrapped > sequenceModulus / 2 ? wrapped - sequenceModulus : wrapped;
  }
}
