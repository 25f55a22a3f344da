import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { scanWal, type WalScan } from './wal.js';

/** First bytes of every SQLite database. */
const MAGIC = 'SQLite format 3\0';
/** What this program's databases have. */
const USUAL_PAGE_SIZE = 4096;

/**
 * The pages of a damaged database as bytes, each in its newest committed version: from the log where it has one, from
 * the file otherwise. Nothing in it is taken for granted. Not to be used on a file that SQLite has open in this
 * process: closing any handle of a file drops the process's locks on it (fcntl).
 */
export class PageFile {
  readonly pageSize: number;
  /** Bytes of a page that SQLite uses. */
  readonly usableSize: number;
  readonly pageCount: number;
  /** `user_version` as the header has it; may be nonsense in a damaged file. */
  readonly userVersion: number;
  readonly #file: number;
  readonly #wal: number | undefined;
  readonly #scan: WalScan | undefined;

  constructor(path: string) {
    this.#file = openSync(path, 'r');
    this.#scan = scanWal(`${path}-wal`);
    this.#wal = this.#scan === undefined ? undefined : openSync(`${path}-wal`, 'r');
    const { size } = fstatSync(this.#file);
    const inFile = Buffer.alloc(100);
    readSync(this.#file, inFile, 0, 100, 0);
    this.pageSize = this.#scan?.pageSize ?? pageSizeOf(inFile) ?? USUAL_PAGE_SIZE;
    // Pages past the end of a file that was cut are gone; those that only the log has are there.
    const inLog = Math.max(0, ...(this.#scan?.pages.keys() ?? []));
    const afterCommit = this.#scan?.pageCount ?? 0;
    const known = Math.max(Math.ceil(size / this.pageSize), inLog);
    this.pageCount = afterCommit > 0 ? Math.min(Math.max(afterCommit, inLog), known) : known;
    const header = this.page(1) ?? Buffer.alloc(this.pageSize);
    const reserved = header[20]!;
    this.usableSize = this.pageSize - (reserved <= 64 ? reserved : 0);
    this.userVersion = header.readUInt32BE(60);
  }

  /** A copy of page `number` (from 1), or undefined where the file does not have it. */
  page(number: number): Buffer | undefined {
    const page = Buffer.alloc(this.pageSize);
    const inLog = this.#scan?.pages.get(number);
    try {
      const read =
        inLog === undefined
          ? readSync(this.#file, page, 0, this.pageSize, (number - 1) * this.pageSize)
          : readSync(this.#wal!, page, 0, this.pageSize, inLog);
      return read === 0 ? undefined : page;
    } catch (thrown) {
      // A bad block of the medium: this page is gone, the others are not.
      if ((thrown as NodeJS.ErrnoException).code === 'EIO') return undefined;
      throw thrown;
    }
  }

  close(): void {
    closeSync(this.#file);
    if (this.#wal !== undefined) closeSync(this.#wal);
  }
}

function pageSizeOf(header: Buffer): number | undefined {
  if (header.toString('latin1', 0, 16) !== MAGIC) return undefined;
  const size = header.readUInt16BE(16) === 1 ? 65536 : header.readUInt16BE(16);
  return size >= 512 && (size & (size - 1)) === 0 ? size : undefined;
}
