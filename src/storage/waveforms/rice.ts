/**
 * Whole numbers of any sign as differences to a fixed polynomial predictor, in Rice codes: what FLAC does with its
 * fixed subframes (RFC 9639, sections 9.2.5 and 9.2.7).
 */

const MAX_ORDER = 3;
/** Numbers that share one Rice parameter. */
const PARTITION = 256;
/** A quotient this long is followed by the number itself. */
const ESCAPE = 32;
const WHOLE_BITS = 32;

class BitWriter {
  #bytes: Uint8Array;
  #length = 0;
  #held = 0;
  #bits = 0;

  constructor(expectedBytes: number) {
    this.#bytes = new Uint8Array(Math.max(64, expectedBytes));
  }

  /** @param count at most 24 */
  write(value: number, count: number): void {
    this.#held = ((this.#held << count) | value) >>> 0;
    this.#bits += count;
    while (this.#bits >= 8) {
      this.#bits -= 8;
      if (this.#length === this.#bytes.length) this.#grow();
      this.#bytes[this.#length++] = this.#held >>> this.#bits;
      this.#held &= (1 << this.#bits) - 1;
    }
  }

  ones(count: number): void {
    for (let left = count; left > 0; left -= 16) {
      const some = Math.min(16, left);
      this.write((1 << some) - 1, some);
    }
  }

  finish(): Uint8Array {
    if (this.#bits > 0) this.write(0, 8 - this.#bits);
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #bits = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @param count at most 24 */
  read(count: number): number {
    while (this.#bits < count) {
      if (this.#at >= this.#bytes.length) throw new RangeError('the codes end too early');
      this.#held = ((this.#held << 8) | this.#bytes[this.#at++]!) >>> 0;
      this.#bits += 8;
    }
    this.#bits -= count;
    const value = this.#held >>> this.#bits;
    this.#held &= (1 << this.#bits) - 1;
    return value;
  }

  /** Ones up to the next zero, which is taken too, or up to `most`. */
  ones(most: number): number {
    let count = 0;
    for (;;) {
      if (this.#bits === 0) {
        this.#held = this.read(8);
        this.#bits = 8;
      }
      // The held bits at the top, ones as zeros, so that the machine counts them.
      const zeros = Math.clz32(~(this.#held << (32 - this.#bits)));
      const ones = Math.min(zeros, this.#bits);
      if (count + ones >= most) {
        this.#drop(most - count);
        return most;
      }
      count += ones;
      if (ones < this.#bits) {
        this.#drop(ones + 1);
        return count;
      }
      this.#bits = 0;
      this.#held = 0;
    }
  }

  #drop(count: number): void {
    this.#bits -= count;
    this.#held &= (1 << this.#bits) - 1;
  }
}

/** @param levels below 2^24 in magnitude */
export function encodeIntegers(levels: Int32Array): Uint8Array {
  const order = bestOrder(levels);
  const writer = new BitWriter(levels.length * 2);
  writer.write(order, 8);
  const residuals = new Uint32Array(levels.length);
  for (let i = 0; i < levels.length; i++) {
    const difference = levels[i]! - predicted(levels, i, order);
    residuals[i] = difference >= 0 ? 2 * difference : -2 * difference - 1;
  }
  for (let from = 0; from < residuals.length; from += PARTITION) {
    const to = Math.min(from + PARTITION, residuals.length);
    const parameter = bestParameter(residuals, from, to);
    writer.write(parameter, 5);
    const mask = 2 ** parameter - 1;
    for (let i = from; i < to; i++) {
      const residual = residuals[i]!;
      const quotient = residual >>> parameter;
      if (quotient >= ESCAPE) {
        writer.ones(ESCAPE);
        writer.write(residual >>> 16, WHOLE_BITS - 16);
        writer.write(residual & 0xffff, 16);
        continue;
      }
      writer.ones(quotient);
      writer.write(0, 1);
      if (parameter > 16) writer.write((residual & mask) >>> 16, parameter - 16);
      writer.write(residual & mask & 0xffff, Math.min(16, parameter));
    }
  }
  return writer.finish();
}

/** @throws RangeError for codes that end too early */
export function decodeIntegers(bytes: Uint8Array, count: number): Int32Array {
  const reader = new BitReader(bytes);
  const order = reader.read(8);
  if (order > MAX_ORDER) throw new RangeError(`no predictor of order ${order}`);
  const levels = new Int32Array(count);
  for (let from = 0; from < count; from += PARTITION) {
    const to = Math.min(from + PARTITION, count);
    const parameter = reader.read(5);
    for (let i = from; i < to; i++) {
      const quotient = reader.ones(ESCAPE);
      let residual: number;
      if (quotient === ESCAPE) residual = reader.read(16) * 65_536 + reader.read(16);
      else {
        const high = parameter > 16 ? reader.read(parameter - 16) * 65_536 : 0;
        residual = quotient * 2 ** parameter + high + reader.read(Math.min(16, parameter));
      }
      const difference = residual % 2 === 0 ? residual / 2 : -(residual + 1) / 2;
      levels[i] = predicted(levels, i, order) + difference;
    }
  }
  return levels;
}

/** From the values before it; the first ones, which have none before them, by a lower order. */
function predicted(levels: Int32Array, i: number, order: number): number {
  switch (Math.min(order, i)) {
    case 0:
      return 0;
    case 1:
      return levels[i - 1]!;
    case 2:
      return 2 * levels[i - 1]! - levels[i - 2]!;
    default:
      return 3 * levels[i - 1]! - 3 * levels[i - 2]! + levels[i - 3]!;
  }
}

function bestOrder(levels: Int32Array): number {
  const sums = [0, 0, 0, 0];
  for (let i = MAX_ORDER; i < levels.length; i++) {
    const [a, b, c, d] = [levels[i]!, levels[i - 1]!, levels[i - 2]!, levels[i - 3]!];
    sums[0]! += Math.abs(a);
    sums[1]! += Math.abs(a - b);
    sums[2]! += Math.abs(a - 2 * b + c);
    sums[3]! += Math.abs(a - 3 * b + 3 * c - d);
  }
  return sums.indexOf(Math.min(...sums));
}

/** The logarithm of the mean, which is within a few per cent of the best. */
function bestParameter(residuals: Uint32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += residuals[i]!;
  return Math.min(31, Math.max(0, Math.floor(Math.log2(Math.max(1, (0.7 * sum) / (to - from))))));
}
