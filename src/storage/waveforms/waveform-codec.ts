import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { latticeOf } from './lattice.js';
import { decodeIntegers, encodeIntegers } from './rice.js';

/**
 * Samples in fewer bytes, exact bit for bit. Samples of a converter become whole numbers in Rice codes; other floats
 * become differences of their bit patterns, byte by byte, deflated where that pays.
 */

/** How a stored waveform is packed; stands in the database, so a number once given stays. */
export const PACKING = { raw: 0, integers: 1, floats: 2 } as const;

export interface PackedWaveform {
  readonly packing: number;
  readonly bytes: Uint8Array;
  /** The step that was found, as a hint for the next waveform of the point. */
  readonly step?: number;
}

/** A plane that shrinks by less than this is stored as it is: inflating it would take time for nothing. */
const WORTH_IT = 0.95;
const PLANES = 4;
const MAX_SAMPLES = 2 ** 26;

/**
 * @param hint the step of the point's last waveform, where it had one
 * @param search false where a point is known to have no step: looking for one takes as long as the rest
 */
export function packWaveform(samples: Float32Array, hint?: number, search = true): PackedWaveform {
  const lattice = search || hint !== undefined ? latticeOf(samples, hint) : undefined;
  const packed = lattice === undefined ? packFloats(samples) : encodeIntegers(lattice.levels);
  const header = lattice === undefined ? 0 : 8;
  if (packed.length + header >= samples.byteLength) return { packing: PACKING.raw, bytes: bytesOf(samples) };
  if (lattice === undefined) return { packing: PACKING.floats, bytes: packed };
  const bytes = new Uint8Array(header + packed.length);
  new DataView(bytes.buffer).setFloat64(0, lattice.step, true);
  bytes.set(packed, header);
  return { packing: PACKING.integers, bytes, step: lattice.step };
}

/** @throws RangeError for bytes that are no waveform of so many samples */
export function unpackWaveform(packing: number, stored: Uint8Array, count: number): Float32Array {
  if (count > MAX_SAMPLES) throw new RangeError(`${count} samples are more than a waveform has`);
  // A copy of its own, aligned as the views need it.
  const bytes = Uint8Array.from(stored);
  if (packing === PACKING.raw) {
    if (bytes.length !== count * 4) throw new RangeError(`${bytes.length} bytes are not ${count} samples`);
    return new Float32Array(bytes.buffer);
  }
  if (packing === PACKING.floats) return unpackFloats(bytes, count);
  if (packing !== PACKING.integers) throw new RangeError(`no packing has the number ${packing}`);
  const step = new DataView(bytes.buffer).getFloat64(0, true);
  const levels = decodeIntegers(bytes.subarray(8), count);
  return Float32Array.from(levels, (level) => level * step);
}

const bytesOf = (samples: Float32Array): Uint8Array =>
  new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);

/** [order, then per plane: method, length, bytes]; the highest bytes of all differences first. */
function packFloats(samples: Float32Array): Uint8Array {
  const patterns = new Int32Array(samples.length);
  const bits = new Int32Array(samples.buffer, samples.byteOffset, samples.length);
  // In the order of the numbers that they stand for: neighbouring floats have neighbouring patterns.
  for (let i = 0; i < bits.length; i++) patterns[i] = ordered(bits[i]!);
  const order = flattest(patterns);
  const planes = Array.from({ length: PLANES }, () => new Uint8Array(samples.length));
  for (let i = 0; i < patterns.length; i++) {
    const difference = (patterns[i]! - before(patterns, i, order)) | 0;
    const folded = ((difference << 1) ^ (difference >> 31)) >>> 0;
    planes[0]![i] = folded >>> 24;
    planes[1]![i] = folded >>> 16;
    planes[2]![i] = folded >>> 8;
    planes[3]![i] = folded;
  }
  const parts: Uint8Array[] = [Uint8Array.of(order)];
  for (const plane of planes) {
    // Differences of signals do not repeat; their bytes are only of unequal frequency.
    const deflated =
      entropyBits(plane) < 8 * WORTH_IT
        ? deflateRawSync(plane, { level: 1, strategy: constants.Z_HUFFMAN_ONLY })
        : plane;
    const pays = deflated.length < plane.length * WORTH_IT;
    const content = pays ? deflated : plane;
    const header = new Uint8Array(5);
    header[0] = pays ? 1 : 0;
    new DataView(header.buffer).setUint32(1, content.length, true);
    parts.push(header, content);
  }
  return Buffer.concat(parts);
}

function unpackFloats(bytes: Uint8Array, count: number): Float32Array {
  const view = new DataView(bytes.buffer);
  const order = bytes[0]!;
  const planes: Uint8Array[] = [];
  let at = 1;
  for (let plane = 0; plane < PLANES; plane++) {
    const length = view.getUint32(at + 1, true);
    const content = bytes.subarray(at + 5, at + 5 + length);
    const isDeflated = bytes[at] === 1;
    const values = isDeflated ? inflateRawSync(content, { maxOutputLength: count + 1 }) : content;
    if (values.length !== count) throw new RangeError('a plane of another length');
    planes.push(values);
    at += 5 + length;
  }
  const patterns = new Int32Array(count);
  const [a, b, c, d] = planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  for (let i = 0; i < count; i++) {
    const folded = (a[i]! << 24) | (b[i]! << 16) | (c[i]! << 8) | d[i]!;
    const difference = (folded >>> 1) ^ -(folded & 1);
    patterns[i] = (before(patterns, i, order) + difference) | 0;
  }
  for (let i = 0; i < count; i++) patterns[i] = ordered(patterns[i]!);
  return new Float32Array(patterns.buffer);
}

/** Sign and magnitude to two's complement and back: its own inverse. */
const ordered = (bits: number): number => (bits < 0 ? bits ^ 0x7fffffff : bits);

function before(patterns: Int32Array, i: number, order: number): number {
  if (order === 0 || i === 0) return 0;
  if (order === 1 || i === 1) return patterns[i - 1]!;
  return (2 * patterns[i - 1]! - patterns[i - 2]!) | 0;
}

/** Bits for each byte, by the frequency of each value. */
function entropyBits(plane: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (const byte of plane) counts[byte]!++;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / plane.length) * Math.log2(count / plane.length);
  return bits;
}

/** By a part of the samples: which differences have the fewest bits. */
function flattest(patterns: Int32Array): number {
  const sums = [0, 0, 0];
  for (let i = 2; i < patterns.length; i += 7)
    for (let order = 0; order < sums.length; order++)
      sums[order]! += 32 - Math.clz32(Math.abs((patterns[i]! - before(patterns, i, order)) | 0));
  return sums.indexOf(Math.min(...sums));
}
