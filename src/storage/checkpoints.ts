import type { SqliteDatabase } from './sqlite.js';
import { threadWrittenBytes } from './write-meter.js';

/** The log is written back into the database after this much: SQLite's own default, 1,000 pages. */
const CHECKPOINT_BYTES = 1_000 * 4_096;
/** Where the kernel does not tell how much was written. */
const CHECKPOINT_WRITES = 100;

/**
 * Writes the log back into the database from time to time, in place of SQLite, which does so after a commit and keeps
 * to itself that it failed; by its next try the kernel may say that all is well when it is not (page-cache.ts).
 */
export class Checkpoints {
  readonly #db: SqliteDatabase;
  #writtenBytes = threadWrittenBytes();
  #writes = 0;

  constructor(db: SqliteDatabase) {
    this.#db = db;
    db.pragma('wal_autocheckpoint = 0');
  }

  /** To be called when something was written. @throws what SQLite says of the disk */
  afterWrite(): void {
    this.#writes++;
    const written = threadWrittenBytes();
    const isDue =
      written === undefined || this.#writtenBytes === undefined
        ? this.#writes >= CHECKPOINT_WRITES
        : written - this.#writtenBytes >= CHECKPOINT_BYTES;
    if (!isDue) return;
    this.#writes = 0;
    // Not more than can be done while others read; the rest the next time.
    this.#db.pragma('wal_checkpoint(PASSIVE)');
    this.#writtenBytes = threadWrittenBytes();
  }
}
