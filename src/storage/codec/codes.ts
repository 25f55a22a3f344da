import type { ByteReader, ByteWriter } from './bytes.js';
import { readIntegers, writeIntegers } from './integers.js';

/** A column of small codes, 0 to 255 (qualities, flags): runs where they are long, integers otherwise. */

const RUNS = 0;
const INTEGERS = 1;

export function writeCodes(out: ByteWriter, codes: Uint8Array, count: number): void {
  if (count === 0) return;
  let runs = 1;
  for (let i = 1; i < count; i++) if (codes[i] !== codes[i - 1]) runs++;
  if (runs > 1 && runs > count / 16) {
    out.byte(INTEGERS);
    writeIntegers(out, Float64Array.from(codes.subarray(0, count)), count);
    return;
  }
  out.byte(RUNS);
  let start = 0;
  for (let i = 1; i <= count; i++) {
    if (i < count && codes[i] === codes[start]) continue;
    out.byte(codes[start]!);
    out.varint(i - start);
    start = i;
  }
}

export function readCodes(input: ByteReader, codes: Uint8Array, count: number): void {
  if (count === 0) return;
  const form = input.byte();
  if (form === INTEGERS) {
    const values = new Float64Array(count);
    readIntegers(input, values, count);
    codes.set(values);
    return;
  }
  if (form !== RUNS) throw new RangeError(`form ${form} of codes`);
  for (let start = 0; start < count; ) {
    const code = input.byte();
    const length = input.varint();
    if (length === 0 || start + length > count) throw new RangeError('a run behind the end');
    codes.fill(code, start, start + length);
    start += length;
  }
}
