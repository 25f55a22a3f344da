import type { ByteReader, ByteWriter } from './bytes.js';
import { readIntegers, writeIntegers } from './integers.js';

/** A column of texts or nothing. UUIDs of version 7 as their time and their chance; others as a list and places in it. */

const LIST = 0;
const UUIDS = 1;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Bytes of a UUID behind the 48 bits of its time (RFC 9562, 5.7). */
const CHANCE_BYTES = 10;

export type Text = string | null;

export function writeTexts(out: ByteWriter, texts: readonly Text[]): void {
  if (texts.length === 0) return;
  const distinct = [...new Set(texts)];
  if (distinct.length > texts.length / 2 && texts.every((text) => text !== null && UUID.test(text))) {
    out.byte(UUIDS);
    writeUuids(out, texts as readonly string[]);
    return;
  }
  out.byte(LIST);
  const placeOf = new Map(distinct.map((text, place) => [text, place]));
  out.varint(distinct.length);
  for (const text of distinct) {
    out.byte(text === null ? 0 : 1);
    if (text !== null) out.text(text);
  }
  writeIntegers(
    out,
    Float64Array.from(texts, (text) => placeOf.get(text)!),
    texts.length,
  );
}

export function readTexts(input: ByteReader, count: number): Text[] {
  if (count === 0) return [];
  const form = input.byte();
  if (form === UUIDS) return readUuids(input, count);
  if (form !== LIST) throw new RangeError(`form ${form} of texts`);
  const length = input.varint();
  if (length > count) throw new RangeError(`${length} texts for ${count} places`);
  const distinct = Array.from({ length }, () => (input.byte() === 0 ? null : input.text()));
  const places = new Float64Array(count);
  readIntegers(input, places, count);
  return Array.from(places, (place) => {
    const text = distinct[place];
    if (text === undefined) throw new RangeError('a place outside of the list');
    return text;
  });
}

function writeUuids(out: ByteWriter, uuids: readonly string[]): void {
  const hex = uuids.map((uuid) => uuid.replaceAll('-', ''));
  writeIntegers(
    out,
    Float64Array.from(hex, (digits) => Number.parseInt(digits.slice(0, 12), 16)),
    hex.length,
  );
  out.raw(Buffer.from(hex.map((digits) => digits.slice(12)).join(''), 'hex'));
}

function readUuids(input: ByteReader, count: number): string[] {
  const times = new Float64Array(count);
  readIntegers(input, times, count);
  const chance = Buffer.from(input.raw(count * CHANCE_BYTES)).toString('hex');
  return Array.from(times, (time, index) => {
    const hex =
      time.toString(16).padStart(12, '0') +
      chance.slice(index * CHANCE_BYTES * 2, (index + 1) * CHANCE_BYTES * 2);
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  });
}
