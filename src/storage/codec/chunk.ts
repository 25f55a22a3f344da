import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { SmEdgeError } from '../../base/errors.js';
import { ByteReader, ByteWriter } from './bytes.js';
import { readCodes, writeCodes } from './codes.js';
import { readDoubles, writeDoubles } from './doubles.js';
import { readTexts, type Text, writeTexts } from './texts.js';
import { readTimes, writeTimes } from './times.js';

/** Rows of one series, column by column; every column is as long as `timesUs`. */
export interface Columns {
  /** Integer microseconds since the Unix epoch. */
  readonly timesUs: Float64Array;
  readonly doubles: readonly Float64Array[];
  readonly codes: readonly Uint8Array[];
  readonly texts: readonly (readonly Text[])[];
}

/** First byte of a chunk: the version of this form. */
const FORM = 1;
const PLAIN = 0;
const DEFLATED = 1;
/** A chunk of no more than this much a value is repetitive: the general compressor may find how. */
const DEFLATE_BELOW_BYTES = 0.75;
const DEFLATE_FROM_BYTES = 200;
const HEAD_BYTES = 6;
/** A chunk that says that it is larger is damaged. */
const MAX_ROWS = 1_000_000;
const MAX_PAYLOAD_BYTES = 256 * 2 ** 20;

const payload = new ByteWriter(64 * 1024);

/** Columns as bytes: form, compressor, CRC-32 of the rest (begun with the compressor), and the columns. Gives a copy of its own. */
export function encodeChunk(columns: Columns): Uint8Array {
  payload.truncate(0);
  const { timesUs, doubles, codes, texts } = columns;
  const count = timesUs.length;
  payload.varint(count);
  payload.varint(doubles.length);
  payload.varint(codes.length);
  payload.varint(texts.length);
  writeTimes(payload, timesUs, count);
  for (const column of doubles) writeDoubles(payload, column, count);
  for (const column of codes) writeCodes(payload, column, count);
  for (const column of texts) writeTexts(payload, column);
  const plain = payload.finish();
  const values = count * (1 + doubles.length + texts.length);
  const tryDeflate =
    plain.length >= DEFLATE_FROM_BYTES && (texts.length > 0 || plain.length < values * DEFLATE_BELOW_BYTES);
  const deflated = tryDeflate ? deflateRawSync(plain, { level: 6 }) : undefined;
  const pays = deflated !== undefined && deflated.length < plain.length * 0.9;
  const body = pays ? deflated : plain;
  const bytes = new Uint8Array(HEAD_BYTES + body.length);
  bytes[0] = FORM;
  bytes[1] = pays ? DEFLATED : PLAIN;
  new DataView(bytes.buffer).setUint32(2, crc32(body, bytes[1]), true);
  bytes.set(body, HEAD_BYTES);
  return bytes;
}

/**
 * The columns of a chunk, bit for bit.
 * @throws SmEdgeError `STORE_CHUNK` where the bytes are not what was written
 */
export function decodeChunk(bytes: Uint8Array): Columns {
  try {
    return decode(bytes);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new SmEdgeError('STORE_CHUNK', `a chunk cannot be read: ${text}`, {
      cause,
      hint: 'the database is damaged here; its other chunks are readable',
    });
  }
}

/** Whether the checksum is right. */
export function isWholeChunk(bytes: Uint8Array): boolean {
  if (bytes.length < HEAD_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(2, true) === crc32(bytes.subarray(HEAD_BYTES), bytes[1]);
}

function decode(bytes: Uint8Array): Columns {
  if (bytes.length < HEAD_BYTES || bytes[0] !== FORM) throw new RangeError(`form ${bytes[0]}`);
  const body = bytes.subarray(HEAD_BYTES);
  if (!isWholeChunk(bytes)) throw new RangeError('the checksum differs');
  const plain = bytes[1] === DEFLATED ? inflateRawSync(body, { maxOutputLength: MAX_PAYLOAD_BYTES }) : body;
  const input = new ByteReader(plain);
  const count = input.varint();
  const [doubles, codes, texts] = [input.varint(), input.varint(), input.varint()];
  if (count > MAX_ROWS || count * (1 + doubles + codes + texts) * 8 > MAX_PAYLOAD_BYTES)
    throw new RangeError(`${count} rows`);
  const timesUs = new Float64Array(count);
  readTimes(input, timesUs, count);
  const doubleColumns = columnsOf(
    doubles,
    () => new Float64Array(count),
    (column) => readDoubles(input, column, count),
  );
  const codeColumns = columnsOf(
    codes,
    () => new Uint8Array(count),
    (column) => readCodes(input, column, count),
  );
  return {
    timesUs,
    doubles: doubleColumns,
    codes: codeColumns,
    texts: Array.from({ length: texts }, () => readTexts(input, count)),
  };
}

function columnsOf<T>(length: number, make: () => T, read: (column: T) => void): T[] {
  return Array.from({ length }, () => {
    const column = make();
    read(column);
    return column;
  });
}
