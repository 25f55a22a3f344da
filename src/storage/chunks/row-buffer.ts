import type { Columns } from '../codec/chunk.js';
import type { Text } from '../codec/texts.js';
import type { Shape } from './kinds.js';

const FIRST_CAPACITY = 16;

/** Rows of one series in columns that grow. */
export class RowBuffer {
  readonly shape: Shape;
  #count = 0;
  /** The row with the latest time, the last that came of several. */
  #newest = 0;
  #timesUs = new Float64Array(FIRST_CAPACITY);
  readonly #doubles: Float64Array[];
  readonly #codes: Uint8Array[];
  readonly #texts: Text[][];

  constructor(shape: Shape) {
    this.shape = shape;
    this.#doubles = Array.from({ length: shape.doubles }, () => new Float64Array(FIRST_CAPACITY));
    this.#codes = Array.from({ length: shape.codes }, () => new Uint8Array(FIRST_CAPACITY));
    this.#texts = Array.from({ length: shape.texts }, () => []);
  }

  get count(): number {
    return this.#count;
  }

  append({ timesUs, doubles, codes, texts }: Columns): void {
    const start = this.#count;
    this.#reserve(start + timesUs.length);
    this.#timesUs.set(timesUs, start);
    for (let i = start; i < start + timesUs.length; i++) this.#look(i);
    for (const [index, column] of this.#doubles.entries()) column.set(doubles[index]!, start);
    for (const [index, column] of this.#codes.entries()) column.set(codes[index]!, start);
    for (const [index, column] of this.#texts.entries()) {
      for (const text of texts[index]!) column.push(text);
    }
    this.#count += timesUs.length;
  }

  /** The way of single readings, without columns of length one. */
  appendReading(timeUs: number, value: number, code: number): void {
    const at = this.#count;
    this.#reserve(at + 1);
    this.#timesUs[at] = timeUs;
    this.#doubles[0]![at] = value;
    this.#codes[0]![at] = code;
    this.#look(at);
    this.#count = at + 1;
  }

  /** The reading with the latest time, the last that came of several. */
  newestReading(): { readonly timeUs: number; readonly value: number; readonly code: number } | undefined {
    if (this.#count === 0) return undefined;
    const row = this.#newest;
    return { timeUs: this.#timesUs[row]!, value: this.#doubles[0]![row]!, code: this.#codes[0]![row]! };
  }

  /** The latest time; undefined where there are no rows. */
  get newestUs(): number | undefined {
    return this.#count === 0 ? undefined : this.#timesUs[this.#newest];
  }

  #look(row: number): void {
    if (this.#timesUs[row]! >= this.#timesUs[this.#newest]!) this.#newest = row;
  }

  /** The rows as they came; the same memory, valid until the next append. */
  columns(): Columns {
    const end = this.#count;
    return {
      timesUs: this.#timesUs.subarray(0, end),
      doubles: this.#doubles.map((column) => column.subarray(0, end)),
      codes: this.#codes.map((column) => column.subarray(0, end)),
      texts: this.#texts,
    };
  }

  #reserve(count: number): void {
    if (count <= this.#timesUs.length) return;
    const capacity = Math.max(count, this.#timesUs.length * 2);
    this.#timesUs = grown(this.#timesUs, new Float64Array(capacity));
    for (const [index, column] of this.#doubles.entries())
      this.#doubles[index] = grown(column, new Float64Array(capacity));
    for (const [index, column] of this.#codes.entries())
      this.#codes[index] = grown(column, new Uint8Array(capacity));
  }
}

function grown<T extends Float64Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
