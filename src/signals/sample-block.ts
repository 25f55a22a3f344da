import type { Quality, QualityReason } from './quality.js';

/** A run of equally spaced samples of one measuring point, as it came from a source. */
export interface SampleBlock {
  readonly point: string;
  /** Time of the first sample, milliseconds since the Unix epoch. */
  readonly startTimeMs: number;
  readonly sampleRateHz: number;
  /** Physical unit of a sample, after calibration: `g`, `mm/s`, `Pa`, `FS`. */
  readonly unit: string;
  /** Calibrated samples in `unit`. The receiver must not change them. */
  readonly samples: Float32Array;
  /** The sender's own block number, where it has one: a jump is a lost block. */
  readonly sequence?: number;
  readonly quality: Quality;
  readonly reason?: QualityReason;
}

/** Duration of a block in milliseconds. */
export const blockDurationMs = (block: SampleBlock): number =>
  (block.samples.length * 1000) / block.sampleRateHz;
