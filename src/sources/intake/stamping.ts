import type { Reading } from '../../signals/reading.js';
import { blockDurationMs, type SampleBlock } from '../../signals/sample-block.js';
import type { IntakeConfig } from './config.js';

/** Points whose signal is stamped end to end; further ones by the time of arrival alone. */
const MAX_POINTS = 10_000;
/** A block that is this many times its length away from the end of the last begins the row anew. */
const BREAK = 2;
/** Share of the difference that is made good with each block: jitter goes, the drift of the device's clock stays in step. */
const FOLLOW = 0.05;
/** Weight of a new difference in the mean that is shown. */
const SMOOTHING = 0.1;

/** Gives values the time that the config wants: that of the device, of their arrival, or of both. */
export class Stamping {
  readonly #from: IntakeConfig['timestamps']['from'];
  readonly #maxSkewMs: number;
  /** Where the last block of a point ends, or when its last reading was stamped. */
  readonly #ends = new Map<string, number>();
  readonly #onCorrected: (count: number) => void;
  #skewMs = 0;

  /** `onCorrected` hears how many values took the time of arrival because that of the device was too far off. */
  constructor({ from, maxSkew }: IntakeConfig['timestamps'], onCorrected: (count: number) => void) {
    this.#from = from;
    this.#maxSkewMs = maxSkew;
    this.#onCorrected = onCorrected;
  }

  /** How far the times that come in are ahead of the gateway's (behind: negative), smoothed, ms. */
  get skewMs(): number {
    return this.#skewMs;
  }

  reading(reading: Reading, nowMs: number): Reading {
    const skewMs = reading.timeMs - nowMs;
    if (!this.#counts(skewMs)) return reading;
    const stamped = { ...reading, timeMs: this.#after(reading.point, nowMs) };
    if (this.#from === 'arrival' || reading.quality !== 'good') return stamped;
    return { ...stamped, quality: 'uncertain', reason: 'clock-unsynchronised' };
  }

  block(block: SampleBlock, nowMs: number): SampleBlock {
    const durationMs = blockDurationMs(block);
    const arrivalMs = nowMs - durationMs;
    if (!this.#counts(block.startTimeMs - arrivalMs)) return block;
    const stamped = { ...block, startTimeMs: this.#endToEnd(block.point, arrivalMs, durationMs) };
    if (this.#from === 'arrival' || block.quality !== 'good') return stamped;
    return { ...stamped, quality: 'uncertain', reason: 'clock-unsynchronised' };
  }

  /** Does the time of arrival count? */
  #counts(skewMs: number): boolean {
    this.#skewMs += (skewMs - this.#skewMs) * SMOOTHING;
    if (this.#from === 'device') return false;
    if (this.#from === 'arrival') return true;
    const off = Math.abs(skewMs) > this.#maxSkewMs;
    if (off) this.#onCorrected(1);
    return off;
  }

  /** No two readings of a point have the same time: the store keeps one for each microsecond. */
  #after(point: string, nowMs: number): number {
    const stampMs = Math.max(nowMs, (this.#ends.get(point) ?? 0) + 0.001);
    if (this.#ends.has(point) || this.#ends.size < MAX_POINTS) this.#ends.set(point, stampMs);
    return stampMs;
  }

  /** Blocks of a signal follow one another without gaps, however unevenly they arrive. */
  #endToEnd(point: string, arrivalMs: number, durationMs: number): number {
    const endMs = this.#ends.get(point);
    const follows = endMs !== undefined && Math.abs(arrivalMs - endMs) < BREAK * durationMs;
    const startMs = follows ? endMs + (arrivalMs - endMs) * FOLLOW : arrivalMs;
    if (this.#ends.has(point) || this.#ends.size < MAX_POINTS) this.#ends.set(point, startMs + durationMs);
    return startMs;
  }
}
