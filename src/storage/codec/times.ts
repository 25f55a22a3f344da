import type { ByteReader, ByteWriter } from './bytes.js';
import { readIntegers, writeIntegers } from './integers.js';

/** Times in microseconds that are whole seconds or milliseconds are kept as such. */
const STEPS_US = [1_000_000, 1_000, 1];

let offsets = new Float64Array(4096);

/** Integer microseconds in any order, each a safe integer; steady ones take next to nothing. */
export function writeTimes(out: ByteWriter, timesUs: Float64Array, count: number): void {
  if (count === 0) return;
  if (offsets.length < count) offsets = new Float64Array(count * 2);
  const first = timesUs[0]!;
  const step = STEPS_US.findIndex((stepUs) => {
    for (let i = 1; i < count; i++) {
      const offset = (timesUs[i]! - first) / stepUs;
      if (!Number.isSafeInteger(offset)) return false;
      offsets[i] = offset;
    }
    return true;
  });
  offsets[0] = 0;
  if (step === -1) {
    // The span is more than a safe integer: as they are.
    out.byte(STEPS_US.length);
    writeIntegers(out, timesUs, count);
    return;
  }
  out.byte(step);
  out.signed(first);
  writeIntegers(out, offsets, count);
}

export function readTimes(input: ByteReader, timesUs: Float64Array, count: number): void {
  if (count === 0) return;
  const step = input.byte();
  if (step === STEPS_US.length) {
    readIntegers(input, timesUs, count);
    return;
  }
  const stepUs = STEPS_US[step];
  if (stepUs === undefined) throw new RangeError(`step ${step} of times`);
  const first = input.signed();
  readIntegers(input, timesUs, count);
  for (let i = 0; i < count; i++) timesUs[i] = first + timesUs[i]! * stepUs;
}
