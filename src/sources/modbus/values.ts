/** Values out of registers. A register is 16 bits, big-endian on the wire; what spans several has no fixed order. */

export const VALUE_TYPES = [
  'bit',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float16',
  'float32',
  'float64',
  'bcd16',
  'bcd32',
  'bcd64',
] as const;

export type ValueType = (typeof VALUE_TYPES)[number];

/** Registers that a value takes: 1, 2 or 4. */
export function registersOf(type: ValueType): 1 | 2 | 4 {
  if (type.endsWith('64')) return 4;
  return type.endsWith('32') ? 2 : 1;
}

/**
 * Orders of the bytes on the wire, A the most significant one: every combination of swapped bytes, words and (for
 * 64 bits) double words.
 */
export const BYTE_ORDERS = [
  'AB',
  'BA',
  'ABCD',
  'CDAB',
  'BADC',
  'DCBA',
  'ABCDEFGH',
  'BADCFEHG',
  'CDABGHEF',
  'DCBAHGFE',
  'EFGHABCD',
  'FEHGBADC',
  'GHEFCDAB',
  'HGFEDCBA',
] as const;

export type ByteOrder = (typeof BYTE_ORDERS)[number];

/** Big-endian throughout, as the specification has it for one register. */
export const naturalOrder = (type: ValueType): ByteOrder =>
  (['AB', 'ABCD', 'ABCDEFGH'] as const)[Math.log2(registersOf(type))]!;

export interface ValueShape {
  readonly type: ValueType;
  readonly order: ByteOrder;
  /** Bit 0 to 15 of the register, for the type bit. */
  readonly bit: number;
}

const scratch = new DataView(new ArrayBuffer(8));

/**
 * The value that starts at byte `at` of an answer; NaN where the bytes are none (a BCD digit above 9).
 * 64-bit integers above 2^53 lose their last digits.
 */
export function decodeValue(data: Uint8Array, at: number, shape: ValueShape): number {
  const { order } = shape;
  for (let i = 0; i < order.length; i++) scratch.setUint8(order.charCodeAt(i) - 65, data[at + i]!);
  switch (shape.type) {
    case 'bit':
      return (scratch.getUint16(0) >> shape.bit) & 1;
    case 'int8':
      return scratch.getInt8(1);
    case 'uint8':
      return scratch.getUint8(1);
    case 'int16':
      return scratch.getInt16(0);
    case 'uint16':
      return scratch.getUint16(0);
    case 'int32':
      return scratch.getInt32(0);
    case 'uint32':
      return scratch.getUint32(0);
    case 'int64':
      return Number(scratch.getBigInt64(0));
    case 'uint64':
      return Number(scratch.getBigUint64(0));
    case 'float16':
      return halfFloat(scratch.getUint16(0));
    case 'float32':
      return scratch.getFloat32(0);
    case 'float64':
      return scratch.getFloat64(0);
    case 'bcd16':
    case 'bcd32':
    case 'bcd64':
      return binaryCodedDecimal(order.length);
  }
}

/** IEEE 754-2008 binary16: 1 bit sign, 5 exponent, 10 fraction. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function binaryCodedDecimal(bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) {
    const byte = scratch.getUint8(i);
    const high = byte >> 4;
    const low = byte & 0x0f;
    if (high > 9 || low > 9) return Number.NaN;
    value = value * 100 + high * 10 + low;
  }
  return value;
}

/** Bit `index` of the answer to a read of coils or discrete inputs (clause 6.1: the first one in the lowest bit). */
export const decodeBit = (data: Uint8Array, index: number): number => (data[index >> 3]! >> (index & 7)) & 1;
