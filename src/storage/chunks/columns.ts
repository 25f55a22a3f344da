import type { Columns } from '../codec/chunk.js';

/** Pure functions on rows in columns; "in order" is by time, and no row twice. */

export const rowCount = (columns: Columns): number => columns.timesUs.length;
export const firstUs = (columns: Columns): number => columns.timesUs[0]!;
export const lastUs = (columns: Columns): number => columns.timesUs[columns.timesUs.length - 1]!;

/** Rows `from` to `to`; the same memory. */
export function slice(columns: Columns, from: number, to: number): Columns {
  if (from === 0 && to === rowCount(columns)) return columns;
  return {
    timesUs: columns.timesUs.subarray(from, to),
    doubles: columns.doubles.map((column) => column.subarray(from, to)),
    codes: columns.codes.map((column) => column.subarray(from, to)),
    texts: columns.texts.map((column) => column.slice(from, to)),
  };
}

export function gather(columns: Columns, rows: Uint32Array): Columns {
  const pick = <T extends Float64Array | Uint8Array>(column: T, target: T): T => {
    for (let i = 0; i < rows.length; i++) target[i] = column[rows[i]!]!;
    return target;
  };
  const { length } = rows;
  return {
    timesUs: pick(columns.timesUs, new Float64Array(length)),
    // By words: a number that goes through a register may lose the payload of its NaN.
    doubles: columns.doubles.map((column) => {
      const words = new BigUint64Array(column.buffer, column.byteOffset, column.length);
      const target = new BigUint64Array(length);
      for (let i = 0; i < length; i++) target[i] = words[rows[i]!]!;
      return new Float64Array(target.buffer);
    }),
    codes: columns.codes.map((column) => pick(column, new Uint8Array(length))),
    texts: columns.texts.map((column) => Array.from(rows, (row) => column[row]!)),
  };
}

export function concat(parts: readonly Columns[]): Columns {
  const [first] = parts;
  if (first === undefined || parts.length === 1)
    return first ?? { timesUs: new Float64Array(0), doubles: [], codes: [], texts: [] };
  const length = parts.reduce((sum, part) => sum + rowCount(part), 0);
  const join = <T extends Float64Array | Uint8Array>(target: T, of: (part: Columns) => T): T => {
    let at = 0;
    for (const part of parts) {
      target.set(of(part), at);
      at += rowCount(part);
    }
    return target;
  };
  return {
    timesUs: join(new Float64Array(length), (part) => part.timesUs),
    doubles: first.doubles.map((_, index) => join(new Float64Array(length), (part) => part.doubles[index]!)),
    codes: first.codes.map((_, index) => join(new Uint8Array(length), (part) => part.codes[index]!)),
    texts: first.texts.map((_, index) => parts.flatMap((part) => part.texts[index]!)),
  };
}

/** Place of the first row at or after a time, of rows in order. */
export function lowerBound(timesUs: Float64Array, timeUs: number): number {
  let low = 0;
  let high = timesUs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timesUs[middle]! < timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows in order. Of rows of one time: where `replaces`, the one that came last; otherwise all that differ. */
export function inOrder(columns: Columns, replaces: boolean): Columns {
  const { timesUs } = columns;
  let sorted = true;
  for (let i = 1; i < timesUs.length && sorted; i++) sorted = timesUs[i]! > timesUs[i - 1]!;
  if (sorted) return columns;
  const order = Uint32Array.from(timesUs, (_, index) => index).sort(
    (a, b) => timesUs[a]! - timesUs[b]! || a - b,
  );
  return gather(columns, withoutRepeats(columns, order, replaces));
}

function withoutRepeats(columns: Columns, order: Uint32Array, replaces: boolean): Uint32Array {
  const { timesUs } = columns;
  const words = columns.doubles.map(
    (column) => new BigUint64Array(column.buffer, column.byteOffset, column.length),
  );
  const kept = new Uint32Array(order.length);
  let count = 0;
  /** Where the rows of the present time begin in `kept`. */
  let run = 0;
  for (const row of order) {
    if (count > 0 && timesUs[kept[count - 1]!] !== timesUs[row]) run = count;
    if (replaces) {
      kept[run] = row;
      count = run + 1;
      continue;
    }
    let known = false;
    for (let i = run; i < count && !known; i++)
      known = words.every((column) => column[kept[i]!] === column[row]);
    if (!known) kept[count++] = row;
  }
  return kept.subarray(0, count);
}

/** Two sets of rows in order as one; `added` is what was not in `old` (empty where the kind replaces). */
export function merge(
  old: Columns,
  fresh: Columns,
  replaces: boolean,
): { readonly merged: Columns; readonly added: Columns } {
  const both = concat([old, fresh]);
  const border = rowCount(old);
  if (border === 0 || rowCount(fresh) === 0 || lastUs(old) < firstUs(fresh))
    return { merged: both, added: fresh };
  const { timesUs } = both;
  const order = Uint32Array.from(timesUs, (_, index) => index).sort(
    (a, b) => timesUs[a]! - timesUs[b]! || a - b,
  );
  const kept = withoutRepeats(both, order, replaces);
  return {
    merged: gather(both, kept),
    added: gather(
      both,
      kept.filter((row) => row >= border),
    ),
  };
}

/** The rows that `known` does not have; both in order. */
export function without(columns: Columns, known: Columns): Columns {
  const { added } = merge(between(known, firstUs(columns), lastUs(columns) + 1), columns, false);
  return added;
}

/** Rows with `fromUs` ≤ time < `toUs`, of rows in order. */
export function between(columns: Columns, fromUs: number, toUs: number): Columns {
  return slice(columns, lowerBound(columns.timesUs, fromUs), lowerBound(columns.timesUs, toUs));
}
