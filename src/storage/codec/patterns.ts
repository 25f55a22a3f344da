import type { ByteReader, ByteWriter } from './bytes.js';
import { readIntegers, writeIntegers } from './integers.js';

/**
 * Doubles by their bit patterns. Bits that are zero in all of them (those of a float32, of a binary fraction) are cut
 * off. The upper half is an integer that grows as the value grows, so that neighbours differ little; its differences
 * are coded as integers, which does what the XOR of Gorilla (Pelkonen et al. 2015) does and keeps the carry. What is
 * left below is noise, and stays as it is.
 */

let upper = new Float64Array(4096);

/** @param bits two words a value, the lower one first */
export function writePatterns(out: ByteWriter, bits: Uint32Array, count: number): void {
  if (upper.length < count) upper = new Float64Array(count * 2);
  const zeros = trailingZeros(bits, count);
  out.byte(zeros);
  const cut = Math.max(0, zeros - 32);
  const mirror = 0x7fffffff >> cut;
  for (let i = 0; i < count; i++) {
    const half = (bits[2 * i + 1]! | 0) >> cut;
    // The pattern of a negative number grows as its value falls.
    upper[i] = half < 0 ? half ^ mirror : half;
  }
  writeIntegers(out, upper, count);
  if (zeros < 32) out.raw(packLower(bits, count, zeros));
}

export function readPatterns(input: ByteReader, bits: Uint32Array, count: number): void {
  if (upper.length < count) upper = new Float64Array(count * 2);
  const zeros = input.byte();
  if (zeros > 63) throw new RangeError(`${zeros} zero bits`);
  const cut = Math.max(0, zeros - 32);
  const mirror = 0x7fffffff >> cut;
  readIntegers(input, upper, count);
  for (let i = 0; i < count; i++) {
    const coded = upper[i]! | 0;
    bits[2 * i] = 0;
    bits[2 * i + 1] = (coded < 0 ? coded ^ mirror : coded) << cut;
  }
  if (zeros >= 32) return;
  const width = 32 - zeros;
  const packed = input.raw(Math.ceil((count * width) / 8));
  let position = 0;
  let held = 0;
  let word = 0;
  for (let i = 0; i < count; i++) {
    let value = 0;
    let have = 0;
    while (have < width) {
      if (held === 0) {
        word = packed[position++]!;
        held = 8;
      }
      const take = Math.min(held, width - have);
      value |= (word & ((1 << take) - 1)) << have;
      word >>>= take;
      held -= take;
      have += take;
    }
    bits[2 * i] = value << zeros;
  }
}

function packLower(bits: Uint32Array, count: number, zeros: number): Uint8Array {
  const width = 32 - zeros;
  const packed = new Uint8Array(Math.ceil((count * width) / 8));
  let position = 0;
  let used = 0;
  for (let i = 0; i < count; i++) {
    let value = bits[2 * i]! >>> zeros;
    let left = width;
    while (left > 0) {
      const put = Math.min(8 - used, left);
      packed[position] = packed[position]! | ((value & ((1 << put) - 1)) << used);
      value >>>= put;
      left -= put;
      used += put;
      if (used === 8) {
        position++;
        used = 0;
      }
    }
  }
  return packed;
}

/** Bits that are zero at the end of all patterns, 0 to 63. */
function trailingZeros(bits: Uint32Array, count: number): number {
  let low = 0;
  let high = 0;
  for (let i = 0; i < count; i++) {
    low |= bits[2 * i]!;
    high |= bits[2 * i + 1]!;
  }
  if (low !== 0) return 31 - Math.clz32(low & -low);
  if (high !== 0) return 32 + 31 - Math.clz32(high & -high);
  return 63;
}
