import type { PageFile } from './page-file.js';

/** One column's value as SQLite stores it. */
export type StoredValue = null | number | bigint | string | Buffer;

/** One row as its page has it. */
export interface StoredRow {
  /** Of a rowid table; undefined in an index or a WITHOUT ROWID table. */
  readonly rowid: number | undefined;
  readonly values: readonly StoredValue[];
}

/** What a page of a b-tree says: its rows, its children, and how many of its cells made no sense. */
export interface BtreePage {
  readonly kind: 'table leaf' | 'table interior' | 'index leaf' | 'index interior';
  readonly rows: readonly StoredRow[];
  readonly children: readonly number[];
  readonly brokenCells: number;
}

const KINDS: Readonly<Record<number, BtreePage['kind']>> = {
  2: 'index interior',
  5: 'table interior',
  10: 'index leaf',
  13: 'table leaf',
};
/** A row larger than this is none of ours: a waveform has 64 MiB at most. */
const MAX_PAYLOAD_BYTES = 80 * 2 ** 20;

class Nonsense extends Error {}

/** Of what kind page `number` is, without a look at its cells. */
export function kindOfPage(page: Buffer, number: number): BtreePage['kind'] | undefined {
  return KINDS[page[number === 1 ? 100 : 0]!];
}

/**
 * Reads a page of a b-tree (sqlite.org/fileformat2.html, section 1.6); undefined where it is none. A cell that makes
 * no sense is counted and left out, the others are read.
 * @param withRows false where only the children are wanted
 */
export function readBtreePage(file: PageFile, number: number, withRows = true): BtreePage | undefined {
  const page = file.page(number);
  if (page === undefined) return undefined;
  const kind = kindOfPage(page, number);
  if (kind === undefined) return undefined;
  const start = number === 1 ? 100 : 0;
  const isInterior = kind.endsWith('interior');
  const isTable = kind.startsWith('table');
  const pointers = start + (isInterior ? 12 : 8);
  const cells = page.readUInt16BE(start + 3);
  if (pointers + 2 * cells > file.usableSize) return undefined;
  const rows: StoredRow[] = [];
  const children: number[] = isInterior ? [page.readUInt32BE(start + 8)] : [];
  let brokenCells = 0;
  for (let index = 0; index < cells; index++) {
    try {
      const at = page.readUInt16BE(pointers + 2 * index);
      if (at < pointers || at >= file.usableSize) throw new Nonsense('a cell outside of the page');
      if (isInterior) children.push(page.readUInt32BE(at));
      if (kind === 'table interior' || !withRows) continue;
      rows.push(readCell(file, page, isInterior ? at + 4 : at, isTable));
    } catch (thrown) {
      if (!(thrown instanceof Nonsense) && !(thrown instanceof RangeError)) throw thrown;
      brokenCells++;
    }
  }
  return { kind, rows, children, brokenCells };
}

function readCell(file: PageFile, page: Buffer, start: number, isTable: boolean): StoredRow {
  const size = varint(page, start);
  let at = size.end;
  let rowid: number | undefined;
  if (isTable) {
    const id = varint(page, at);
    rowid = id.value;
    at = id.end;
  }
  return { rowid, values: readRecord(payloadOf(file, page, at, size.value, isTable)) };
}

/** The whole payload of a cell, with what is on overflow pages. */
function payloadOf(file: PageFile, page: Buffer, at: number, size: number, isTable: boolean): Buffer {
  if (size > MAX_PAYLOAD_BYTES) throw new Nonsense('too large a row');
  const usable = file.usableSize;
  const most = isTable ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  if (size <= most) {
    if (at + size > usable) throw new Nonsense('a row that leaves its page');
    return page.subarray(at, at + size);
  }
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const wanted = least + ((size - least) % (usable - 4));
  const local = wanted <= most ? wanted : least;
  if (at + local + 4 > usable) throw new Nonsense('a row that leaves its page');
  const payload = Buffer.alloc(size);
  page.copy(payload, 0, at, at + local);
  let filled = local;
  let next = page.readUInt32BE(at + local);
  while (filled < size) {
    const overflow = next > 1 && next <= file.pageCount ? file.page(next) : undefined;
    if (overflow === undefined) throw new Nonsense('an overflow page that is not there');
    const take = Math.min(size - filled, usable - 4);
    overflow.copy(payload, filled, 4, 4 + take);
    filled += take;
    next = overflow.readUInt32BE(0);
  }
  // A chain that goes on past the end of its row has been mixed up with another one.
  if (next !== 0) throw new Nonsense('an overflow chain that is too long');
  return payload;
}

function readRecord(payload: Buffer): StoredValue[] {
  const header = varint(payload, 0);
  if (header.value > payload.length) throw new Nonsense('a header longer than its row');
  const values: StoredValue[] = [];
  let at = header.value;
  for (let next = header.end; next < header.value; ) {
    const type = varint(payload, next);
    next = type.end;
    const { value, bytes } = readValue(payload, at, type.value);
    at += bytes;
    if (at > payload.length) throw new Nonsense('a value that leaves its row');
    values.push(value);
  }
  if (at !== payload.length) throw new Nonsense('a row with something left over');
  return values;
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8];

function readValue(payload: Buffer, at: number, type: number): { value: StoredValue; bytes: number } {
  if (type === 0) return { value: null, bytes: 0 };
  if (type <= 5) {
    const bytes = INTEGER_BYTES[type]!;
    return { value: payload.readIntBE(at, bytes), bytes };
  }
  if (type === 6) {
    const value = payload.readBigInt64BE(at);
    const asNumber = Number(value);
    return { value: Number.isSafeInteger(asNumber) ? asNumber : value, bytes: 8 };
  }
  if (type === 7) return { value: payload.readDoubleBE(at), bytes: 8 };
  if (type === 8 || type === 9) return { value: type - 8, bytes: 0 };
  if (type < 12) throw new Nonsense('a type that SQLite does not have');
  const bytes = Math.floor((type - 12) / 2);
  if (at + bytes > payload.length) throw new Nonsense('a value that leaves its row');
  const value = type % 2 === 0 ? payload.subarray(at, at + bytes) : payload.toString('utf8', at, at + bytes);
  return { value, bytes };
}

/** SQLite's variable-length integer; one beyond 2^53 is nonsense in our files. */
function varint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0;
  for (let index = 0; index < 9; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) throw new Nonsense('a number that leaves its page');
    if (index === 8) value = value * 256 + byte;
    else value = value * 128 + (byte & 0x7f);
    if (index === 8 || byte < 0x80) {
      if (!Number.isSafeInteger(value)) throw new Nonsense('a number that is too large');
      return { value, end: start + index + 1 };
    }
  }
  throw new Nonsense('a number without an end');
}
