import { decodeText } from '../text.js';
import {
  BYTE_ORDERS,
  type ByteOrder,
  decodeValue,
  naturalOrder,
  registersOf,
  VALUE_TYPES,
  type ValueType,
} from '../values.js';

/** One way to read the registers from `offset` on. */
export interface Interpretation {
  /** Registers after the first one that was read. */
  readonly offset: number;
  readonly type: ValueType;
  readonly order: ByteOrder;
  readonly value: number;
}

const NUMERIC = VALUE_TYPES.filter((type) => type !== 'bit');

/** Every type in every order at every register where it fits, of one answer. */
export function interpretations(data: Buffer): Interpretation[] {
  const registers = data.length / 2;
  const all: Interpretation[] = [];
  for (let offset = 0; offset < registers; offset++) {
    for (const type of NUMERIC) {
      if (offset + registersOf(type) > registers) continue;
      for (const order of ordersOf(type)) {
        all.push({ offset, type, order, value: decodeValue(data, offset * 2, { type, order, bit: 0 }) });
      }
    }
  }
  return all;
}

export const ordersOf = (type: ValueType): ByteOrder[] =>
  BYTE_ORDERS.filter((order) => order.length === naturalOrder(type).length);

/** The registers as text, high byte first and low byte first. */
export const texts = (data: Buffer): { AB: string; BA: string } => ({
  AB: decodeText(data, 0, data.length / 2, false),
  BA: decodeText(data, 0, data.length / 2, true),
});

/** What a register most likely holds. A guess, to start from. */
export interface Guess {
  readonly offset: number;
  readonly type: ValueType;
  readonly order: ByteOrder;
  readonly value: number;
}

/** A measured value is hardly ever beyond these, and most wrong readings of a float are. */
const SMALLEST = 1e-3;
const LARGEST = 1e7;
/** Steps of a 16-bit value within a few seconds are smaller than this. */
const CREEPING = 512;
const DIGITS_OF_MANTISSA = 2 ** 23;

/**
 * A guess for each register: a float32 where one order alone gives plausible values in all answers, else 16 bits,
 * signed where the values lie about zero. Reads `answers`, the same range at several times.
 */
export function guess(answers: readonly Buffer[]): Guess[] {
  const last = answers.at(-1);
  if (last === undefined) return [];
  const guesses: Guess[] = [];
  const registers = last.length / 2;
  for (let offset = 0; offset < registers; ) {
    const order = offset + 2 <= registers ? floatOrder(answers, offset) : undefined;
    const type = order !== undefined ? 'float32' : shortType(answers, offset);
    const shape = { type, order: order ?? 'AB', bit: 0 } as const;
    guesses.push({ offset, type, order: shape.order, value: decodeValue(last, offset * 2, shape) });
    offset += registersOf(type);
  }
  return guesses;
}

/** The order in which every answer is a plausible float32; undefined where none is, or more than one. */
function floatOrder(answers: readonly Buffer[], offset: number): ByteOrder | undefined {
  const plausible = ordersOf('float32').filter(
    (order) =>
      !creeps(answers, offset, order) &&
      answers.every((data) => isPlausible(decodeValue(data, offset * 2, { type: 'float32', order, bit: 0 }))),
  );
  const most = Math.max(0, ...plausible.map((order) => roundness(answers, offset, order)));
  const best = plausible.filter((order) => roundness(answers, offset, order) === most);
  return best.length === 1 ? best[0] : undefined;
}

/** The low half of a float jumps when the value changes a little; where it creeps, it is a value of its own. */
function creeps(answers: readonly Buffer[], offset: number, order: ByteOrder): boolean {
  const low = answers.map(
    (data) => decodeValue(data, offset * 2, { type: 'uint32', order, bit: 0 }) & 0xffff,
  );
  const spread = Math.max(...low) - Math.min(...low);
  return spread > 0 && spread < CREEPING;
}

const isPlausible = (value: number): boolean =>
  Number.isFinite(value) && Math.abs(value) >= SMALLEST && Math.abs(value) <= LARGEST;

/** Trailing zero bits of the mantissa, the fewest of all answers: 21.5 has many, a float read in a wrong order few. */
function roundness(answers: readonly Buffer[], offset: number, order: ByteOrder): number {
  return Math.min(
    ...answers.map((data) => {
      const bits = decodeValue(data, offset * 2, { type: 'uint32', order, bit: 0 }) | DIGITS_OF_MANTISSA;
      return 31 - Math.clz32(bits & -bits);
    }),
  );
}

function shortType(answers: readonly Buffer[], offset: number): 'int16' | 'uint16' {
  const values = answers.map((data) => data.readInt16BE(offset * 2));
  return values.some((value) => value < 0 && value > -10_000) ? 'int16' : 'uint16';
}
