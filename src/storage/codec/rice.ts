import type { ByteReader, ByteWriter } from './bytes.js';

/**
 * Adaptive Golomb-Rice coding of unsigned integers (Rice and Plaunt, 1971; the residual coder of FLAC): each block of
 * values has its own parameter k, a value is its quotient by 2^k in unary and its rest in k bits. Bits are filled from
 * the least significant one, so that a stream may end at any byte.
 */

const BLOCK = 64;
const K_BITS = 5;
/** In place of k: every value of the block is 0. */
const ALL_ZERO = 31;
const MAX_K = 29;
/** A quotient this long is not written: the value follows in full. */
const ESCAPE = 20;
/** Bits of a value in full: 32 and 20, so below 2^52. */
const ESCAPE_HIGH_BITS = 20;
export const MAX_RICE = 2 ** 52 - 1;

let words = new Uint32Array(4096);
/** Worst case: 64 values in full, and the parameter. */
const WORDS_PER_BLOCK = 2 * BLOCK + BLOCK + 2;

/** Writes `count` of the values, each from 0 to `MAX_RICE`. */
export function writeRice(out: ByteWriter, values: Float64Array, count: number): void {
  const needed = Math.ceil(count / BLOCK + 1) * WORDS_PER_BLOCK;
  if (words.length < needed) words = new Uint32Array(needed);
  const target = words;
  let position = 0;
  let word = 0;
  let used = 0;
  for (let start = 0; start < count; start += BLOCK) {
    const end = Math.min(count, start + BLOCK);
    const k = parameter(values, start, end);
    word |= k << used;
    used += K_BITS;
    if (used >= 32) {
      target[position++] = word;
      used -= 32;
      word = used === 0 ? 0 : k >>> (K_BITS - used);
    }
    if (k === ALL_ZERO) continue;
    const limit = 2 ** k * ESCAPE;
    const mask = (1 << k) - 1;
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      if (value < limit && value < 4294967296) {
        const quotient = value >>> k;
        const width = quotient + 1 + k;
        const rest = value & mask;
        if (width <= 32) {
          // One piece: the unary zeros, their closing one, the rest above it.
          const bits = (1 << quotient) | (k === 0 ? 0 : rest << (quotient + 1));
          word |= bits << used;
          const total = used + width;
          if (total >= 32) {
            target[position++] = word;
            word = used === 0 ? 0 : bits >>> (32 - used);
          }
          used = total & 31;
        } else {
          const unary = 1 << quotient;
          word |= unary << used;
          let total = used + quotient + 1;
          if (total >= 32) {
            target[position++] = word;
            word = used === 0 ? 0 : unary >>> (32 - used);
          }
          used = total & 31;
          word |= rest << used;
          total = used + k;
          if (total >= 32) {
            target[position++] = word;
            word = used === 0 ? 0 : rest >>> (32 - used);
          }
          used = total & 31;
        }
        continue;
      }
      used += ESCAPE;
      if (used >= 32) {
        target[position++] = word;
        word = 0;
        used -= 32;
      }
      const low = value >>> 0;
      word |= low << used;
      target[position++] = word;
      word = used === 0 ? 0 : low >>> (32 - used);
      const high = Math.floor(value / 4294967296);
      word |= high << used;
      const total = used + ESCAPE_HIGH_BITS;
      if (total >= 32) {
        target[position++] = word;
        word = used === 0 ? 0 : high >>> (32 - used);
      }
      used = total & 31;
    }
  }
  target[position] = word;
  out.sized(new Uint8Array(target.buffer, 0, position * 4 + ((used + 7) >>> 3)));
}

/** The k with which a block is about the shortest. */
function parameter(values: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += values[i]!;
  if (sum === 0) return ALL_ZERO;
  const mean = sum / (end - start);
  // A geometric source has its best k near log2(mean · ln 2).
  const guess = Math.floor(Math.log2(mean * 0.7 + 1e-9));
  return guess < 0 ? 0 : guess > MAX_K ? MAX_K : guess;
}

/** Reads `count` values into `values`. */
export function readRice(input: ByteReader, values: Float64Array, count: number): void {
  const bytes = input.sized();
  const needed = (bytes.length >>> 2) + 4;
  if (words.length < needed) words = new Uint32Array(needed * 2);
  const source = words;
  source.fill(0, bytes.length >>> 2, needed);
  new Uint8Array(source.buffer, 0, bytes.length).set(bytes);
  const endBit = bytes.length * 8;
  let bit = 0;
  for (let start = 0; start < count; start += BLOCK) {
    const end = Math.min(count, start + BLOCK);
    // Checked once a block: what lies behind the end reads as nothing, and is never a value that is given back.
    if (bit > endBit) throw new RangeError('the stream ends in the middle');
    const k = bits32(source, bit) & 31;
    bit += K_BITS;
    if (k === ALL_ZERO) {
      values.fill(0, start, end);
      continue;
    }
    const mask = (1 << k) - 1;
    for (let i = start; i < end; i++) {
      const index = bit >>> 5;
      const shift = bit & 31;
      const head =
        shift === 0 ? source[index]! : (source[index]! >>> shift) | (source[index + 1]! << (32 - shift));
      const quotient = head === 0 ? 32 : 31 - Math.clz32(head & -head);
      if (quotient < ESCAPE) {
        const width = quotient + 1 + k;
        if (width <= 32) values[i] = quotient * (mask + 1) + (k === 0 ? 0 : (head >>> (quotient + 1)) & mask);
        else values[i] = quotient * (mask + 1) + (bits32(source, bit + quotient + 1) & mask);
        bit += width;
        continue;
      }
      if (bit > endBit) throw new RangeError('the stream ends in the middle');
      bit += ESCAPE;
      const low = bits32(source, bit) >>> 0;
      const high = bits32(source, bit + 32) & ((1 << ESCAPE_HIGH_BITS) - 1);
      values[i] = high * 4294967296 + low;
      bit += 32 + ESCAPE_HIGH_BITS;
    }
  }
  if (bit > endBit) throw new RangeError('the stream ends in the middle');
}

function bits32(source: Uint32Array, bit: number): number {
  const index = bit >>> 5;
  const shift = bit & 31;
  return shift === 0 ? source[index]! : (source[index]! >>> shift) | (source[index + 1]! << (32 - shift));
}
