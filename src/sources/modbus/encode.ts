import { SmEdgeError } from '../../base/errors.js';
import { naturalOrder, type ValueShape, type ValueType } from './values.js';

/** Smallest and largest whole number of each type that holds whole numbers. */
const LIMITS: Readonly<Partial<Record<ValueType, readonly [bigint, bigint]>>> = {
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  bcd16: [0n, 10n ** 4n - 1n],
  bcd32: [0n, 10n ** 8n - 1n],
  bcd64: [0n, 10n ** 16n - 1n],
};

/** Types that a value can be written as: a register as a whole, or several. */
export const isWritableType = (type: ValueType | 'string'): boolean =>
  type === 'float32' || type === 'float64' || (type !== 'string' && LIMITS[type] !== undefined);

/**
 * The registers that hold a raw value, the first one first: what `decodeValue` reads back. Whole numbers are rounded.
 * @throws SmEdgeError `VALUE_NOT_REPRESENTABLE` where the type cannot hold the value
 */
export function encodeValue(value: number, { type, order }: ValueShape): number[] {
  const bytes = Buffer.alloc(naturalOrder(type).length);
  if (!Number.isFinite(value)) throw notRepresentable(value, type);
  if (type === 'float32') {
    bytes.writeFloatBE(value);
    if (!Number.isFinite(bytes.readFloatBE())) throw notRepresentable(value, type);
  } else if (type === 'float64') bytes.writeDoubleBE(value);
  else encodeWhole(value, type, bytes);
  const onWire = Buffer.from([...order].map((letter) => bytes[letter.charCodeAt(0) - 65]!));
  return Array.from({ length: onWire.length / 2 }, (_, i) => onWire.readUInt16BE(2 * i));
}

function encodeWhole(value: number, type: ValueType, bytes: Buffer): void {
  const limits = LIMITS[type];
  const whole = BigInt(Math.round(value));
  if (limits === undefined || whole < limits[0] || whole > limits[1]) throw notRepresentable(value, type);
  const digits = type.startsWith('bcd')
    ? whole.toString().padStart(bytes.length * 2, '0')
    : BigInt.asUintN(bytes.length * 8, whole)
        .toString(16)
        .padStart(bytes.length * 2, '0');
  bytes.write(digits, 'hex');
}

const notRepresentable = (value: number, type: ValueType): SmEdgeError =>
  new SmEdgeError('VALUE_NOT_REPRESENTABLE', `a ${type} cannot hold ${value}`, {
    hint: 'check type, scale and offset of the point',
  });
