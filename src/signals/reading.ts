import type { Quality, QualityReason } from './quality.js';

/** One scalar value of one measuring point at one time. */
export interface Reading {
  /** Name of the measuring point: `pump-1.bearing-de.temperature`. */
  readonly point: string;
  /** Milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** In `unit`; NaN only where quality is bad. */
  readonly value: number;
  readonly unit: string;
  readonly quality: Quality;
  readonly reason?: QualityReason;
}
