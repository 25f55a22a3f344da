import { closeSync, openSync, readSync } from 'node:fs';
import { scanWal } from '../salvage/wal.js';
import { SqliteDatabase } from '../sqlite.js';

const HEADER_BYTES = 100;

/**
 * One moment of a database that others write to, page by page. A read transaction is held meanwhile, so SQLite neither
 * writes pages of a later moment into the file nor begins its log anew (sqlite.org/walformat.html, 2.3: a checkpoint
 * goes no further than the marks of the readers, and the log is only begun anew where no reader needs it). What the log
 * holds at one look at it, up to its last commit, lies over what the file holds.
 */
export class DatabaseSnapshot {
  readonly pageSize: number;
  readonly pages: number;
  readonly #db: SqliteDatabase;
  readonly #file: number;
  readonly #log: number | undefined;
  readonly #inLog: ReadonlyMap<number, number>;

  constructor(path: string) {
    this.#db = new SqliteDatabase(path, { readonly: true, timeout: 30_000 });
    this.#db.prepare('BEGIN').run();
    this.#db.prepare('SELECT count(*) FROM sqlite_schema').get();
    this.#file = openSync(path, 'r');
    const scanned = scanWal(`${path}-wal`);
    this.#inLog = scanned?.pages ?? new Map();
    this.#log = this.#inLog.size === 0 ? undefined : openSync(`${path}-wal`, 'r');
    const header = Buffer.alloc(HEADER_BYTES);
    const inLog = this.#inLog.get(1);
    if (inLog === undefined) readSync(this.#file, header, 0, HEADER_BYTES, 0);
    else readSync(this.#log!, header, 0, HEADER_BYTES, inLog);
    const size = header.readUInt16BE(16);
    this.pageSize = size === 1 ? 65_536 : size;
    this.pages = scanned !== undefined && scanned.pageCount > 0 ? scanned.pageCount : header.readUInt32BE(28);
  }

  get bytes(): number {
    return this.pages * this.pageSize;
  }

  /**
   * Reads pages into a buffer, the first one numbered 0. The first page says that there is no log: the copy has none.
   * @returns how many bytes there are
   */
  read(first: number, count: number, into: Buffer): number {
    const { pageSize } = this;
    const pages = Math.min(count, this.pages - first);
    const bytes = pages * pageSize;
    into.fill(0, 0, bytes);
    readAll(this.#file, into, 0, bytes, first * pageSize);
    for (let index = 0; index < pages; index++) {
      const at = this.#inLog.get(first + index + 1);
      if (at !== undefined) readAll(this.#log!, into, index * pageSize, pageSize, at);
    }
    // The forms of writing and of reading: 1 in place of 2 (fileformat2.html, 1.3.3).
    if (first === 0) into.fill(1, 18, 20);
    return bytes;
  }

  /** SQLite first: to close the file anywhere in this process drops the locks that SQLite has on it. */
  close(): void {
    this.#db.close();
    closeSync(this.#file);
    if (this.#log !== undefined) closeSync(this.#log);
  }
}

/** A file may end in the middle of what the log goes on with. */
function readAll(file: number, into: Buffer, at: number, length: number, from: number): void {
  for (let done = 0; done < length; ) {
    const read = readSync(file, into, at + done, length - done, from + done);
    if (read === 0) return;
    done += read;
  }
}
