import type { ByteReader, ByteWriter } from './bytes.js';
import { readIntegers, writeIntegers } from './integers.js';
import { readPatterns, writePatterns } from './patterns.js';

/** More distinct values than this are no dictionary. */
const MAX_ENTRIES = 512;

let places = new Float64Array(4096);

/**
 * Writes `form`, the distinct values in order, and the place of each value among them; the order keeps neighbours near
 * to one another. Writes nothing, and gives false, where there are too many distinct ones, a NaN or a −0.
 */
export function writeDictionary(out: ByteWriter, form: number, values: Float64Array, count: number): boolean {
  const placeOf = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    // A Map takes −0 for 0 and any NaN for any other.
    if (Number.isNaN(value) || Object.is(value, -0)) return false;
    if (!placeOf.has(value)) {
      if (placeOf.size >= Math.min(MAX_ENTRIES, count / 2)) return false;
      placeOf.set(value, 0);
    }
  }
  const entries = Float64Array.from(placeOf.keys()).sort();
  for (let place = 0; place < entries.length; place++) placeOf.set(entries[place]!, place);
  if (places.length < count) places = new Float64Array(count * 2);
  for (let i = 0; i < count; i++) places[i] = placeOf.get(values[i]!)!;
  out.byte(form);
  out.varint(entries.length);
  writePatterns(out, new Uint32Array(entries.buffer), entries.length);
  writeIntegers(out, places, count);
  return true;
}

export function readDictionary(input: ByteReader, values: Float64Array, count: number): void {
  const length = input.varint();
  if (length > MAX_ENTRIES) throw new RangeError(`a dictionary of ${length}`);
  const entries = new Float64Array(length);
  readPatterns(input, new Uint32Array(entries.buffer), length);
  readIntegers(input, values, count);
  for (let i = 0; i < count; i++) {
    const entry = entries[values[i]!];
    if (entry === undefined) throw new RangeError('a place outside of the dictionary');
    values[i] = entry;
  }
}
