import type { Reading } from '../../signals/reading.js';
import { qualityCode } from '../chunks/kinds.js';
import { toUs } from '../rows.js';
import { Names, namePairs } from './names.js';

/** Readings of many points in one buffer, which changes hands. */
export interface PackedReadings {
  readonly count: number;
  /** `Names` of point and unit. */
  readonly names: string;
  /** Times in microseconds and values (float64), place in `names` (uint32), quality codes (uint8). */
  readonly buffer: ArrayBuffer;
}

export interface ReadingViews {
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  readonly places: Uint32Array;
  readonly codes: Uint8Array;
}

const ROW_BYTES = 21;
/** Rows between two looks at the clock. */
const STEP = 128;

export function* packReadings(readings: readonly Reading[]): Generator<void, PackedReadings> {
  const count = readings.length;
  const names = new Names();
  const buffer = new ArrayBuffer(count * ROW_BYTES);
  const { timesUs, values, places, codes } = views(buffer, count);
  for (let from = 0; from < count; from += STEP) {
    const to = Math.min(count, from + STEP);
    for (let i = from; i < to; i++) {
      const { point, unit, timeMs, value, quality, reason } = readings[i]!;
      places[i] = names.place(point, unit);
      const timeUs = toUs(timeMs);
      // One without a time would take those that are written with it along.
      if (!Number.isSafeInteger(timeUs)) throw new RangeError(`a time of ${timeMs} milliseconds`);
      timesUs[i] = timeUs;
      values[i] = value;
      codes[i] = quality === 'good' && reason === undefined ? 0 : qualityCode(quality, reason);
    }
    yield;
  }
  return { count, names: names.finish(), buffer };
}

export function unpackReadings({ count, names, buffer }: PackedReadings): ReadingViews & {
  readonly points: readonly (readonly [point: string, unit: string])[];
} {
  return { ...views(buffer, count), points: namePairs(names) };
}

/** Throws where the buffer is not as long as it says: one that was given away already is empty. */
function views(buffer: ArrayBuffer, count: number): ReadingViews {
  return {
    timesUs: new Float64Array(buffer, 0, count),
    values: new Float64Array(buffer, 8 * count, count),
    places: new Uint32Array(buffer, 16 * count, count),
    codes: new Uint8Array(buffer, 20 * count, count),
  };
}
