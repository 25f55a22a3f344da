import type { Clock } from '../../base/clock.js';
import { inTurns } from '../../base/turns.js';
import { Moved } from '../../base/worker-call.js';
import type { Reading } from '../../signals/reading.js';
import { readingOf } from '../chunks/wire-rows.js';
import type { Columns } from '../codec/chunk.js';
import type { Text } from '../codec/texts.js';
import type { OutboxRow } from '../outbox.js';
import { type PackedReadings, packReadings, unpackReadings } from './readings.js';

/**
 * Answers of the storage thread. Numbers come in buffers that change hands, documents as the bytes of their JSON; the
 * main thread makes objects of them a millisecond in each turn of the event loop, however many there are.
 */

/** JSON documents, one after the other. */
export interface PackedJson {
  readonly bytes: Uint8Array;
  /** Where each of them ends. */
  readonly ends: Uint32Array;
}

export function packJson(documents: readonly unknown[]): PackedJson {
  const parts = documents.map((document) => Buffer.from(JSON.stringify(document)));
  return packBytes(parts);
}

function packBytes(parts: readonly Uint8Array[]): PackedJson {
  const ends = new Uint32Array(parts.length);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const [index, part] of parts.entries()) {
    bytes.set(part, at);
    at += part.length;
    ends[index] = at;
  }
  return { bytes, ends };
}

export function movedJson(documents: readonly unknown[]): Moved<PackedJson> {
  const packed = packJson(documents);
  return new Moved(packed, [packed.bytes.buffer as ArrayBuffer, packed.ends.buffer as ArrayBuffer]);
}

export function unpackJson<T>(clock: Clock, packed: PackedJson): Promise<T[]> {
  return inTurns(clock, parsed<T>(packed));
}

function* parsed<T>({ bytes, ends }: PackedJson): Generator<void, T[]> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const documents: T[] = [];
  let from = 0;
  for (const end of ends) {
    documents.push(JSON.parse(all.toString('utf8', from, end)) as T);
    from = end;
    yield;
  }
  return documents;
}

/** Rows of the outbox: those with bytes for a payload have them beside, in the order of the rows. */
export interface PackedOutbox {
  readonly rows: PackedJson;
  readonly payloads: readonly (Uint8Array | null)[];
}

export function movedRows(rows: readonly OutboxRow[]): Moved<PackedOutbox> {
  const payloads = rows.map(({ payload }) => (payload instanceof Uint8Array ? payload : null));
  const packed = packJson(
    rows.map((row, index) => (payloads[index] === null ? row : { ...row, payload: {} })),
  );
  return movedArrays({ rows: packed, payloads });
}

export async function unpackOutbox(clock: Clock, { rows, payloads }: PackedOutbox): Promise<OutboxRow[]> {
  const unpacked = await unpackJson<OutboxRow>(clock, rows);
  return unpacked.map((row, index) => ({ ...row, payload: payloads[index] ?? row.payload }));
}

export function movedReadings(readings: readonly Reading[]): Moved<PackedReadings> {
  const packed = allAtOnce(packReadings(readings));
  return new Moved(packed, [packed.buffer]);
}

/** A few thousand at most: one for each point. */
export function unpackedReadings(packed: PackedReadings): Reading[] {
  const { points, places, timesUs, values, codes } = unpackReadings(packed);
  const series = points.map(([point, detail]) => ({ point, detail }));
  return Array.from(places, (place, row) =>
    readingOf(series[place]!, timesUs[row]!, values[row]!, codes[row]!),
  );
}

function allAtOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Rows of one series as they cross: the columns, and the texts as JSON. */
export interface PackedSeries {
  readonly point: string;
  readonly detail: string;
  readonly timesUs: Float64Array;
  readonly doubles: readonly Float64Array[];
  readonly codes: readonly Uint8Array[];
  readonly texts: readonly PackedJson[];
}

export function movedSeries(
  all: readonly { readonly point: string; readonly detail: string; readonly columns: Columns }[],
): Moved<PackedSeries[]> {
  const buffers: ArrayBuffer[] = [];
  // Columns may be parts of larger ones, or belong to the tail: what is given away is a copy.
  const own = <T extends Float64Array | Uint8Array | Uint32Array>(column: T): T => {
    const copied = column.slice() as T;
    buffers.push(copied.buffer as ArrayBuffer);
    return copied;
  };
  const packed = all.map(({ point, detail, columns: { timesUs, doubles, codes, texts } }) => ({
    point,
    detail,
    timesUs: own(timesUs),
    doubles: doubles.map(own),
    codes: codes.map(own),
    texts: texts.map((column) => {
      const { bytes, ends } = packJson(column);
      return { bytes: own(bytes), ends: own(ends) };
    }),
  }));
  return new Moved(packed, buffers);
}

/** Rows made at a time, between two looks at the clock. */
const STEP = 64;

/** Rows of every series as objects, in order of time, at most `limit`. */
export function unpackRows<R extends { readonly timeMs: number }>(
  clock: Clock,
  all: readonly PackedSeries[],
  limit: number,
  toRows: (series: { readonly point: string; readonly detail: string }, columns: Columns) => R[],
): Promise<R[]> {
  return inTurns(clock, madeRows(all, limit, toRows));
}

function* madeRows<R extends { readonly timeMs: number }>(
  all: readonly PackedSeries[],
  limit: number,
  toRows: (series: { readonly point: string; readonly detail: string }, columns: Columns) => R[],
): Generator<void, R[]> {
  const lists: R[][] = [];
  for (const series of all) {
    const { timesUs, doubles, codes } = series;
    const texts: Text[][] = [];
    for (const column of series.texts) texts.push(yield* parsed<Text>(column));
    const rows: R[] = [];
    for (let from = 0; from < timesUs.length; from += STEP) {
      const to = from + STEP;
      const part = {
        timesUs: timesUs.subarray(from, to),
        doubles: doubles.map((column) => column.subarray(from, to)),
        codes: codes.map((column) => column.subarray(from, to)),
        texts: texts.map((column) => column.slice(from, to)),
      };
      rows.push(...toRows(series, part));
      yield;
    }
    lists.push(rows);
  }
  let merged = lists[0] ?? [];
  for (const list of lists.slice(1)) merged = yield* mergedByTime(merged, list);
  return merged.length > limit ? merged.slice(0, limit) : merged;
}

/** Two lists in order of time as one; of one time the first list leads. */
function* mergedByTime<R extends { readonly timeMs: number }>(
  first: readonly R[],
  second: readonly R[],
): Generator<void, R[]> {
  const merged: R[] = [];
  let a = 0;
  let b = 0;
  while (a < first.length || b < second.length) {
    const takesFirst = b >= second.length || (a < first.length && first[a]!.timeMs <= second[b]!.timeMs);
    merged.push(takesFirst ? first[a++]! : second[b++]!);
    if (merged.length % STEP === 0) yield;
  }
  return merged;
}

/** Moves every buffer of an answer that is made of typed arrays, each of which owns its buffer. */
export function movedArrays<T>(answer: T): Moved<T> {
  const buffers = new Set<ArrayBuffer>();
  collect(answer, buffers);
  return new Moved(answer, [...buffers]);
}

function collect(value: unknown, buffers: Set<ArrayBuffer>): void {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value;
    // Part of something larger: it is copied instead.
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffers.add(buffer);
  } else if (Array.isArray(value)) for (const one of value) collect(one, buffers);
  else if (typeof value === 'object' && value !== null)
    for (const one of Object.values(value)) collect(one, buffers);
}
