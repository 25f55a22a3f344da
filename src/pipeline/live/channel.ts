import type { AnalysisSpec } from '../../features/spec.js';
import type { SampleRing } from '../../signals/ring-buffer.js';
import { blockDurationMs, type SampleBlock } from '../../signals/sample-block.js';

/** A run of samples in a ring that is to be analysed: no gap lies within it. */
export interface AnalysisWindow {
  /** Index of the first sample since the ring began. */
  readonly from: number;
  readonly length: number;
  readonly startTimeMs: number;
}

/** What became of a block that was pushed. */
export type PushResult = 'continued' | 'gap' | 'refused';

/**
 * The analysis side of one waveform point: its ring, where the present unbroken segment began, and which windows
 * are due. Knows nothing of threads or stores.
 */
export class Channel {
  readonly point: string;
  readonly spec: AnalysisSpec;
  readonly ring: SampleRing;
  /** From the start of one window to that of the next, samples. */
  readonly #hop: number;
  #segmentFrom = 0;
  #nextFrom = 0;
  /** Index and time of the newest block: windows are dated from it, so that a drifting sample clock does not add up. */
  #anchorIndex = 0;
  #anchorTimeMs = 0;
  #endTimeMs: number | undefined;
  #sequence: number | undefined;

  /** @param ring room for at least four windows: one analysed, one waiting, one being filled, and some to look back */
  constructor(point: string, spec: AnalysisSpec, ring: SampleRing, overlap = 0) {
    this.point = point;
    this.spec = spec;
    this.ring = ring;
    this.#hop = Math.max(1, Math.round(spec.blockLength * (1 - overlap)));
  }

  /** Writes a block; one that does not follow the last begins a new segment, a bad one ends the segment. */
  push(block: SampleBlock): PushResult {
    if (block.quality === 'bad') {
      this.#endTimeMs = undefined;
      return 'refused';
    }
    const follows = this.#follows(block);
    if (!follows) {
      this.ring.markGap();
      this.#segmentFrom = this.ring.written;
      this.#nextFrom = this.#segmentFrom;
    }
    this.#anchorIndex = this.ring.write(block.samples);
    this.#anchorTimeMs = block.startTimeMs;
    this.#endTimeMs = block.startTimeMs + blockDurationMs(block);
    this.#sequence = block.sequence;
    return follows ? 'continued' : 'gap';
  }

  /** The next window that is complete, or undefined. Each is given once. */
  takeWindow(): AnalysisWindow | undefined {
    const length = this.spec.blockLength;
    this.#nextFrom = Math.max(this.#nextFrom, this.#segmentFrom, this.ring.oldest);
    if (this.ring.written - this.#nextFrom < length) return undefined;
    const from = this.#nextFrom;
    this.#nextFrom += this.#hop;
    return { from, length, startTimeMs: this.timeOf(from) };
  }

  /** Gives up complete windows that wait, all but the newest; returns how many. */
  skipToNewest(): number {
    const length = this.spec.blockLength;
    const behind = this.ring.written - this.#nextFrom - length;
    const skipped = Math.max(0, Math.floor(behind / this.#hop));
    this.#nextFrom += skipped * this.#hop;
    return skipped;
  }

  /** The newest unbroken samples, at most `durationMs` and half the ring: what a diagnosis or a snapshot looks at. */
  newest(durationMs: number): AnalysisWindow {
    const wanted = Math.ceil((durationMs / 1000) * this.spec.sampleRateHz);
    const reach = Math.floor(this.ring.capacitySamples / 2);
    const length = Math.min(wanted, reach, this.ring.written - this.#segmentFrom);
    const from = this.ring.written - length;
    return { from, length, startTimeMs: this.timeOf(from) };
  }

  #follows(block: SampleBlock): boolean {
    if (this.#endTimeMs === undefined) return false;
    const numbered = block.sequence !== undefined && this.#sequence !== undefined;
    // A counter that wraps goes back to a small number; only a jump ahead tells of a lost block.
    if (numbered && block.sequence! > this.#sequence! + 1) return false;
    return Math.abs(block.startTimeMs - this.#endTimeMs) <= blockDurationMs(block) / 2;
  }

  /** Time of a sample, by the newest block. */
  timeOf(index: number): number {
    return this.#anchorTimeMs + ((index - this.#anchorIndex) * 1000) / this.spec.sampleRateHz;
  }
}
