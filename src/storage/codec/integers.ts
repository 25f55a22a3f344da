import type { ByteReader, ByteWriter } from './bytes.js';
import { MAX_RICE, readRice, writeRice } from './rice.js';

/**
 * A column of integers: what is left after the prediction from the one or two values before is coded by `rice.ts`.
 * Order 0 predicts the smallest value, order 1 the one before (delta), order 2 the line through two (delta of delta).
 */

/** Prediction orders as they are stored; RAW is eight bytes a value. */
const RAW = 3;
/** Residuals and ranges up to here are exact in a double, doubled and predicted. */
const MAX_RANGE = 2 ** 50;

let scratch = new Float64Array(4096);

/** Writes `count` safe integers of either sign. */
export function writeIntegers(out: ByteWriter, values: Float64Array, count: number): void {
  if (count === 0) return;
  if (scratch.length < count) scratch = new Float64Array(count * 2);
  const { order, base } = choose(values, count);
  out.byte(order);
  if (order === RAW) {
    out.raw(new Uint8Array(Float64Array.from(values.subarray(0, count)).buffer));
    return;
  }
  const residuals = scratch;
  if (order === 0) {
    out.signed(base);
    for (let i = 0; i < count; i++) residuals[i] = values[i]! - base;
    writeRice(out, residuals, count);
    return;
  }
  out.signed(values[0]!);
  let before = values[0]!;
  let slope = 0;
  for (let i = 1; i < count; i++) {
    const value = values[i]!;
    const delta = value - before;
    const residual = order === 1 ? delta : delta - slope;
    residuals[i - 1] = residual < 0 ? -2 * residual - 1 : 2 * residual;
    slope = delta;
    before = value;
  }
  writeRice(out, residuals, count - 1);
}

/** Reads `count` integers into `values`. */
export function readIntegers(input: ByteReader, values: Float64Array, count: number): void {
  if (count === 0) return;
  const order = input.byte();
  if (order === RAW) {
    const bytes = Uint8Array.from(input.raw(count * 8));
    values.set(new Float64Array(bytes.buffer));
    return;
  }
  if (order > RAW) throw new RangeError(`prediction order ${order}`);
  const first = input.signed();
  if (order === 0) {
    readRice(input, values, count);
    for (let i = 0; i < count; i++) values[i] = values[i]! + first;
    return;
  }
  if (scratch.length < count) scratch = new Float64Array(count * 2);
  const residuals = scratch;
  readRice(input, residuals, count - 1);
  let value = first;
  let slope = 0;
  values[0] = first;
  for (let i = 1; i < count; i++) {
    const coded = residuals[i - 1]!;
    const half = Math.floor(coded / 2);
    const residual = half * 2 === coded ? half : -half - 1;
    slope = order === 1 ? residual : slope + residual;
    value += slope;
    values[i] = value;
  }
}

/** The order with the smallest residuals, by the bits that their mean takes. */
function choose(values: Float64Array, count: number): { order: number; base: number } {
  let smallest = values[0]!;
  let largest = smallest;
  let sum = 0;
  let before = smallest;
  let slope = 0;
  let sum1 = 0;
  let sum2 = 0;
  const base = smallest;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value < smallest) smallest = value;
    else if (value > largest) largest = value;
    const delta = value - before;
    const bend = delta - slope;
    sum += value - base;
    sum1 += delta < 0 ? -delta : delta;
    sum2 += bend < 0 ? -bend : bend;
    slope = delta;
    before = value;
  }
  const range = largest - smallest;
  if (!(range < MAX_RANGE) || 4 * range > MAX_RICE) return { order: RAW, base };
  // Order 0 has no sign: its residuals lie above the smallest value.
  const sum0 = (sum - count * (smallest - base)) / 2;
  if (sum0 <= sum1 && sum0 <= sum2) return { order: 0, base: smallest };
  return { order: sum1 <= sum2 ? 1 : 2, base: smallest };
}
