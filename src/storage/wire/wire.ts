import type { GatewayEvent } from '../../events/event.js';
import type { OutboxDraft } from '../outbox.js';
import type { BlockRow, ReadingColumns, WriteBatch } from '../rows.js';
import { type PackedFeatures, packFeatures } from './features.js';
import { type PackedReadings, packReadings } from './readings.js';
import { type PackedScores, packScores } from './scores.js';

/**
 * A write batch as it crosses to the storage thread: numbers in buffers that change hands, documents as text. To copy
 * an object for each row, as `postMessage` does by itself, holds the main thread up many times longer.
 */
export interface WireBatch {
  readonly readings?: PackedReadings;
  readonly readingColumns?: readonly ReadingColumns[];
  readonly blocks?: readonly BlockRow[];
  readonly features?: PackedFeatures;
  readonly scores?: PackedScores;
  readonly events?: readonly WireEvent[];
  readonly alarmStates?: readonly { readonly alarm: string; readonly point: string; readonly json: string }[];
  readonly outbox?: readonly WireDraft[];
  readonly consumed?: WriteBatch['consumed'];
  readonly documents?: readonly { readonly key: string; readonly json: string }[];
  /** What changes hands with it. */
  readonly buffers: readonly ArrayBuffer[];
}

export type WireEvent = Omit<GatewayEvent, 'payload'> & { readonly json: string };
export type WireDraft = Omit<OutboxDraft, 'payload'> & {
  readonly isJson: boolean;
  readonly bytes: Uint8Array;
};

/** Numbers are copied in pieces of this size, bytes: a tenth of a millisecond. */
const PIECE_BYTES = 256 * 1024;
const encoder = new TextEncoder();

type Draft = { -readonly [K in keyof WireBatch]: WireBatch[K] };

/** Packs a batch; yields where it may be interrupted. What the caller holds is copied, so that it may write it again. */
export function* packBatch(batch: WriteBatch): Generator<void, WireBatch> {
  const buffers: ArrayBuffer[] = [];
  const wire: Draft = { buffers };
  const { readings = [], readingColumns = [], blocks = [], features = [], scores = [] } = batch;
  if (readings.length > 0) {
    wire.readings = yield* packReadings(readings);
    buffers.push(wire.readings.buffer);
  }
  if (readingColumns.length > 0) wire.readingColumns = yield* packColumns(readingColumns, buffers);
  if (blocks.length > 0) wire.blocks = yield* packBlocks(blocks, buffers);
  if (features.length > 0) {
    wire.features = yield* packFeatures(features);
    buffers.push(wire.features.buffer);
  }
  if (scores.length > 0) {
    wire.scores = yield* packScores(scores);
    buffers.push(wire.scores.buffer);
  }
  if (batch.events !== undefined)
    wire.events = yield* each(batch.events, ({ payload, ...event }) => ({ ...event, json: jsonOf(payload) }));
  if (batch.alarmStates !== undefined)
    wire.alarmStates = yield* each(batch.alarmStates, ({ alarm, point, document }) => ({
      alarm,
      point,
      json: jsonOf(document),
    }));
  if (batch.outbox !== undefined)
    wire.outbox = yield* each(batch.outbox, ({ payload, ...draft }) => {
      const isJson = !(payload instanceof Uint8Array);
      const bytes = isJson ? encoder.encode(jsonOf(payload)) : Uint8Array.from(payload);
      buffers.push(bytes.buffer as ArrayBuffer);
      return { ...draft, isJson, bytes };
    });
  if (batch.documents !== undefined)
    wire.documents = yield* each(batch.documents, ({ key, document }) => ({ key, json: jsonOf(document) }));
  if (batch.consumed !== undefined) wire.consumed = batch.consumed;
  return wire;
}

/** About how much memory a batch holds before it is packed, bytes. */
export function batchBytes(batch: WriteBatch): number {
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
  return 200 + waveforms + vectors + columns + 150 * others + sent;
}

/** The same of one that is packed. */
export function wireBytes({
  buffers,
  events = [],
  documents = [],
  alarmStates = [],
  scores,
}: WireBatch): number {
  const moved = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const text = [...events, ...documents, ...alarmStates].reduce((sum, { json }) => sum + json.length, 0);
  return 200 + moved + text + (scores?.texts.length ?? 0);
}

function* packColumns(
  all: readonly ReadingColumns[],
  buffers: ArrayBuffer[],
): Generator<void, ReadingColumns[]> {
  const packed: ReadingColumns[] = [];
  for (const { point, unit, timesUs, values, codes } of all) {
    const { length } = timesUs;
    if (values.length !== length || codes.length !== length)
      throw new RangeError('columns of different lengths');
    const buffer = new ArrayBuffer(17 * length);
    buffers.push(buffer);
    const own = {
      point,
      unit,
      timesUs: new Float64Array(buffer, 0, length),
      values: new Float64Array(buffer, 8 * length, length),
      codes: new Uint8Array(buffer, 16 * length, length),
    };
    yield* copy(timesUs, own.timesUs);
    yield* copy(values, own.values);
    yield* copy(codes, own.codes);
    packed.push(own);
  }
  return packed;
}

function* packBlocks(blocks: readonly BlockRow[], buffers: ArrayBuffer[]): Generator<void, BlockRow[]> {
  const packed: BlockRow[] = [];
  for (const block of blocks) {
    const samples = new Float32Array(block.samples.length);
    buffers.push(samples.buffer);
    yield* copy(block.samples, samples);
    packed.push({ ...block, samples });
  }
  return packed;
}

function* copy<T extends Float64Array | Float32Array | Uint8Array>(from: T, to: T): Generator<void, void> {
  const piece = PIECE_BYTES / from.BYTES_PER_ELEMENT;
  for (let at = 0; at < from.length; at += piece) {
    to.set(from.subarray(at, at + piece), at);
    yield;
  }
}

function* each<A, B>(all: readonly A[], pack: (one: A) => B): Generator<void, B[]> {
  const packed: B[] = [];
  for (const one of all) {
    packed.push(pack(one));
    yield;
  }
  return packed;
}

function jsonOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`${typeof value} is no JSON document`);
  return text;
}
