import type { Reading } from '../signals/reading.js';
import { qualityCode } from './chunks/kinds.js';
import { toUs, type WriteBatch } from './rows.js';

/** A write batch in the form in which it crosses to the storage thread. */
export interface WireBatch extends WriteBatch {
  readonly packed?: PackedReadings;
}

/** Readings of many points: copying five arrays costs the main thread less than copying an object for each. */
export interface PackedReadings {
  readonly points: readonly { readonly point: string; readonly unit: string }[];
  /** Place in `points` of each reading. */
  readonly pointOf: Uint32Array;
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  readonly codes: Uint8Array;
}

/** Fewer readings are copied as they are sooner than packed. */
const PACK_FROM = 8;

export function toWire(batch: WriteBatch): WireBatch {
  const { readings, ...rest } = batch;
  if (readings === undefined || readings.length < PACK_FROM) return batch;
  return { ...rest, packed: pack(readings) };
}

/** About how much memory a batch holds, bytes. */
export function wireBytes(batch: WireBatch): number {
  const { blocks = [], features = [], outbox = [], readingColumns = [] } = batch;
  const waveforms = blocks.reduce((sum, { samples }) => sum + samples.byteLength, 0);
  const vectors = features.reduce((sum, row) => sum + 8 * Object.keys(row.features).length, 0);
  const columns = readingColumns.reduce((sum, { timesUs }) => sum + 17 * timesUs.length, 0);
  const others =
    (batch.readings?.length ?? 0) + (batch.scores?.length ?? 0) + (batch.events?.length ?? 0) * 4;
  const sent = outbox.reduce(
    (sum, { payload }) => sum + (payload instanceof Uint8Array ? payload.byteLength : 500),
    0,
  );
  return 200 + waveforms + vectors + columns + 21 * (batch.packed?.codes.length ?? 0) + 150 * others + sent;
}

function pack(readings: readonly Reading[]): PackedReadings {
  const { length } = readings;
  const points: { point: string; unit: string }[] = [];
  const places = new Map<string, number>();
  const pointOf = new Uint32Array(length);
  const timesUs = new Float64Array(length);
  const values = new Float64Array(length);
  const codes = new Uint8Array(length);
  let last: Reading | undefined;
  for (const [index, reading] of readings.entries()) {
    const { point, unit, timeMs, value, quality, reason } = reading;
    // Readings of one point often come together.
    if (last !== undefined && last.point === point && last.unit === unit)
      pointOf[index] = pointOf[index - 1]!;
    else {
      const key = `${unit}\n${point}`;
      let place = places.get(key);
      if (place === undefined) {
        place = points.push({ point, unit }) - 1;
        places.set(key, place);
      }
      pointOf[index] = place;
    }
    last = reading;
    timesUs[index] = toUs(timeMs);
    values[index] = value;
    codes[index] = qualityCode(quality, reason);
  }
  return { points, pointOf, timesUs, values, codes };
}
