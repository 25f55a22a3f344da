import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * The write-ahead log of SQLite as bytes (sqlite.org/fileformat2.html, section 4), for a look at it before SQLite
 * opens it: SQLite takes the frames up to the first wrong one and silently forgets all later ones.
 */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;
/** Frames are read in portions of about this size, bytes. */
const PORTION_BYTES = 2 ** 20;

export interface WalScan {
  readonly pageSize: number;
  /** Where in the file the newest sound version of a page begins, of the transactions that were committed. */
  readonly pages: ReadonlyMap<number, number>;
  /** Pages of the database after the last commit; 0 where there is none. */
  readonly pageCount: number;
  /** Frames that are broken though a later transaction was committed, which takes them to have been on the disk. */
  readonly brokenFrames: number;
}

interface Sums {
  a: number;
  b: number;
}

/** Reads a log. A file that is no log, or an empty one, has no pages. */
export function scanWal(path: string): WalScan | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    return scan(file, fstatSync(file).size);
  } finally {
    closeSync(file);
  }
}

function scan(file: number, size: number): WalScan | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return undefined;
  const magic = header.readUInt32BE(0);
  const pageSize = header.readUInt32BE(8);
  const isPowerOfTwo = pageSize >= 512 && pageSize <= 65536 && (pageSize & (pageSize - 1)) === 0;
  if ((magic & ~1) >>> 0 !== MAGIC || !isPowerOfTwo) return undefined;
  const add = (magic & 1) === 1 ? addBigEndian : addLittleEndian;
  const sums: Sums = { a: 0, b: 0 };
  add(sums, header, 0, 24);
  if (sums.a !== header.readUInt32BE(24) || sums.b !== header.readUInt32BE(28)) return undefined;

  const pages = new Map<number, number>();
  /** Of the transaction that is being read. */
  let current: [page: number, at: number][] = [];
  let currentBroken = 0;
  /** Broken frames of a transaction that ended; they count only when one more transaction follows. */
  let pendingBroken = 0;
  let brokenFrames = 0;
  let pageCount = 0;
  const frameBytes = FRAME_HEADER_BYTES + pageSize;
  const frames = Math.floor((size - HEADER_BYTES) / frameBytes);
  const perPortion = Math.max(1, Math.floor(PORTION_BYTES / frameBytes));
  const portion = Buffer.alloc(perPortion * frameBytes);
  for (let first = 0; first < frames; first += perPortion) {
    const count = Math.min(perPortion, frames - first);
    readSync(file, portion, 0, count * frameBytes, HEADER_BYTES + first * frameBytes);
    for (let index = 0; index < count; index++) {
      const at = index * frameBytes;
      // Frames of another generation, from before the log was last begun anew: its end, unless the salt is what broke.
      const ofThisLog = portion.compare(header, 16, 24, at + 8, at + 16) === 0;
      add(sums, portion, at, 8);
      add(sums, portion, at + FRAME_HEADER_BYTES, pageSize);
      const stored = { a: portion.readUInt32BE(at + 16), b: portion.readUInt32BE(at + 20) };
      const sound = ofThisLog && sums.a === stored.a && sums.b === stored.b;
      // Each sum goes on from the one before; from the stored one, frames after a broken one can still be proved.
      sums.a = stored.a;
      sums.b = stored.b;
      if (!sound) {
        currentBroken++;
        continue;
      }
      const page = portion.readUInt32BE(at);
      current.push([page, HEADER_BYTES + (first + index) * frameBytes + FRAME_HEADER_BYTES]);
      const pagesAfterCommit = portion.readUInt32BE(at + 4);
      if (pagesAfterCommit === 0) continue;
      for (const [number, where] of current) pages.set(number, where);
      pageCount = pagesAfterCommit;
      // Every commit waits for its fsync, so only the last transaction can have been cut off by a loss of power.
      brokenFrames += pendingBroken;
      pendingBroken = currentBroken;
      current = [];
      currentBroken = 0;
    }
  }
  return { pageSize, pages, pageCount, brokenFrames };
}

function addLittleEndian(sums: Sums, bytes: Buffer, from: number, length: number): void {
  let { a, b } = sums;
  for (let at = from; at < from + length; at += 8) {
    a = (a + bytes.readUInt32LE(at) + b) >>> 0;
    b = (b + bytes.readUInt32LE(at + 4) + a) >>> 0;
  }
  sums.a = a;
  sums.b = b;
}

function addBigEndian(sums: Sums, bytes: Buffer, from: number, length: number): void {
  let { a, b } = sums;
  for (let at = from; at < from + length; at += 8) {
    a = (a + bytes.readUInt32BE(at) + b) >>> 0;
    b = (b + bytes.readUInt32BE(at + 4) + a) >>> 0;
  }
  sums.a = a;
  sums.b = b;
}
