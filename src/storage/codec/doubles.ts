import type { ByteReader, ByteWriter } from './bytes.js';
import { readDictionary, writeDictionary } from './dictionary.js';
import { readIntegers, writeIntegers } from './integers.js';
import { readPatterns, writePatterns } from './patterns.js';
import { findScale, SCALES, toIntegers } from './scales.js';

/**
 * A column of doubles, exact bit for bit, in the shortest of these forms:
 *  - constant;
 *  - scaled integers, where all values are decimals of some digits (after ALP, Afroozeh, Kuffo and Boncz 2023), with
 *    the few that are not beside them;
 *  - a sorted list of the distinct values and the place of each in it, for coarse converters;
 *  - bit patterns: the differences of the upper halves, the lower halves as they are.
 */

const CONSTANT = 0;
const DICTIONARY = 1;
const PATTERNS = 2;
/** From here on: scaled integers, by the number of the scale. */
const SCALED = 3;

/** A column with more distinct values than this share in a sample is not tried as a dictionary. */
const SAMPLE = 128;
const FEW_DISTINCT = 48;

let integers = new Float64Array(4096);
let sample = new Float64Array(SAMPLE);

export function writeDoubles(out: ByteWriter, values: Float64Array, count: number): void {
  if (count === 0) return;
  const bits = new Uint32Array(values.buffer, values.byteOffset, count * 2);
  if (isConstant(bits, count)) {
    out.byte(CONSTANT);
    out.doubleBits(bits[0]!, bits[1]!);
    return;
  }
  if (integers.length < count) integers = new Float64Array(count * 2);
  const scale = findScale(values, count);
  const exceptions = scale === undefined ? undefined : toIntegers(values, count, scale, integers);
  const fewDistinct = count >= 32 && hasFewDistinct(values, count);
  if (scale === undefined || exceptions === undefined) {
    if (fewDistinct && writeDictionary(out, DICTIONARY, values, count)) return;
    out.byte(PATTERNS);
    writePatterns(out, bits, count);
    return;
  }
  const from = out.length;
  out.byte(SCALED + scale);
  writeExceptions(out, bits, exceptions);
  writeIntegers(out, integers, count);
  if (!fewDistinct || out.length - from < count / 4) return;
  const scaledLength = out.length - from;
  const scaled = Uint8Array.from(out.finish().subarray(from));
  out.truncate(from);
  if (writeDictionary(out, DICTIONARY, values, count)) {
    if (out.length - from < scaledLength) return;
    out.truncate(from);
  }
  out.raw(scaled);
}

export function readDoubles(input: ByteReader, values: Float64Array, count: number): void {
  if (count === 0) return;
  const form = input.byte();
  const bits = new Uint32Array(values.buffer, values.byteOffset, count * 2);
  if (form === CONSTANT) {
    const low = input.uint32();
    const high = input.uint32();
    for (let i = 0; i < count; i++) {
      bits[2 * i] = low;
      bits[2 * i + 1] = high;
    }
    return;
  }
  if (form === DICTIONARY) {
    readDictionary(input, values, count);
    return;
  }
  if (form === PATTERNS) {
    readPatterns(input, bits, count);
    return;
  }
  const scale = SCALES[form - SCALED];
  if (scale === undefined) throw new RangeError(`form ${form} of a column`);
  const exceptions = readExceptions(input, count);
  readIntegers(input, values, count);
  scale.apply(values, count);
  for (const { index, low, high } of exceptions) {
    bits[2 * index] = low;
    bits[2 * index + 1] = high;
  }
}

function isConstant(bits: Uint32Array, count: number): boolean {
  const low = bits[0];
  const high = bits[1];
  for (let i = 2; i < count * 2; i += 2) if (bits[i] !== low || bits[i + 1] !== high) return false;
  return true;
}

function hasFewDistinct(values: Float64Array, count: number): boolean {
  const size = Math.min(SAMPLE, count);
  if (sample.length !== size) sample = new Float64Array(size);
  for (let i = 0; i < size; i++) sample[i] = values[Math.floor((i * count) / size)]!;
  sample.sort();
  let distinct = 1;
  for (let i = 1; i < size; i++) if (sample[i] !== sample[i - 1]) distinct++;
  return distinct <= Math.min(FEW_DISTINCT, size * 0.7);
}

/** Places as distances; one value for all of them where they are the same, as a column of "no value" is. */
function writeExceptions(out: ByteWriter, bits: Uint32Array, indexes: readonly number[]): void {
  out.varint(indexes.length);
  if (indexes.length === 0) return;
  const first = indexes[0]!;
  const same = indexes.every(
    (index) => bits[2 * index] === bits[2 * first] && bits[2 * index + 1] === bits[2 * first + 1],
  );
  out.byte(same ? 1 : 0);
  if (same) out.doubleBits(bits[2 * first]!, bits[2 * first + 1]!);
  let before = 0;
  for (const index of indexes) {
    out.varint(index - before);
    before = index;
    if (!same) out.doubleBits(bits[2 * index]!, bits[2 * index + 1]!);
  }
}

function readExceptions(input: ByteReader, count: number): { index: number; low: number; high: number }[] {
  const length = input.varint();
  if (length === 0) return [];
  if (length > count) throw new RangeError(`${length} exceptions in ${count} values`);
  const same = input.byte() === 1;
  let low = same ? input.uint32() : 0;
  let high = same ? input.uint32() : 0;
  let index = 0;
  return Array.from({ length }, () => {
    index += input.varint();
    if (index >= count) throw new RangeError('an exception behind the end');
    if (!same) {
      low = input.uint32();
      high = input.uint32();
    }
    return { index, low, high };
  });
}
