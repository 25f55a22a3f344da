/** The continuous aggregates. */
export interface Level {
  /** As it is stored. */
  readonly number: number;
  readonly name: 'minute' | 'hour' | 'day';
  readonly widthUs: number;
  /** Buckets that share a row of the table: so many are read and written together. */
  readonly perRow: number;
  /** Bins of the stored sketches. */
  readonly bins: number;
}

const MINUTE_US = 60e6;
const HOUR_US = 60 * MINUTE_US;

/** From fine to coarse. */
export const LEVELS: readonly [Level, Level, Level] = [
  { number: 0, name: 'minute', widthUs: MINUTE_US, perRow: 60, bins: 8 },
  { number: 1, name: 'hour', widthUs: HOUR_US, perRow: 24, bins: 32 },
  { number: 2, name: 'day', widthUs: 24 * HOUR_US, perRow: 32, bins: 64 },
];

/** Which row of the table a bucket is in. */
export const slotOf = ({ widthUs, perRow }: Level, timeUs: number): number =>
  Math.floor(timeUs / (widthUs * perRow));
