import { Checkpoints } from './checkpoints.js';
import { ChunkStore } from './chunks/chunk-store.js';
import { type DamagedFile, damagedFiles, replaceDamaged, SalvageWork } from './damage.js';
import { openDatabase, openOrReplace } from './database.js';
import { EventReader } from './event-reader.js';
import { Reader } from './reader.js';
import { makeReserve, useReserve } from './reserve-file.js';
import { type RetentionRequest, type RetentionStep, retentionStep } from './retention.js';
import { SqliteDatabase } from './sqlite.js';
import { isPartlyChecked } from './start-check.js';
import { Writer } from './writer.js';

export interface OpenRequest {
  readonly path: string;
  /** For the name of a damaged file that is set aside. */
  readonly stamp: string;
  /** Whether a write to the file has failed since it was opened the last time. */
  readonly hasFailed?: boolean;
}

export interface ReplaceRequest {
  readonly stamp: string;
  /** What was found wrong. */
  readonly finding: string;
}

/** What works on an open file. */
function partsOf(db: SqliteDatabase) {
  const chunks = new ChunkStore(db);
  return {
    chunks,
    salvage: new SalvageWork(db),
    writer: new Writer(db, chunks),
    reader: new Reader(db, chunks),
    events: new EventReader(db),
    checkpoints: new Checkpoints(db),
  };
}

/** What the thread holds once the file is open. */
export class OpenStore {
  readonly #path: string;
  readonly #lock;
  #db: SqliteDatabase;
  #parts;

  constructor({ path, stamp, hasFailed }: OpenRequest) {
    const { db, lock } = openDatabase(path, stamp, hasFailed);
    this.#path = path;
    this.#lock = lock;
    this.#db = db;
    try {
      this.#parts = partsOf(db);
    } catch (thrown) {
      this.#letGo();
      throw thrown;
    }
  }

  get chunks(): ChunkStore {
    return this.#parts.chunks;
  }

  get writer(): Writer {
    return this.#parts.writer;
  }

  get reader(): Reader {
    return this.#parts.reader;
  }

  get events(): EventReader {
    return this.#parts.events;
  }

  get checkpoints(): Checkpoints {
    return this.#parts.checkpoints;
  }

  get isPartlyChecked(): boolean {
    return isPartlyChecked(this.#path);
  }

  damagedFiles(): DamagedFile[] {
    return damagedFiles(this.#db);
  }

  salvageStep(): boolean {
    return this.#parts.salvage.step();
  }

  /**
   * Sets the open file aside and goes on with a new one.
   * @throws what SQLite says of a disk that takes no new file; the store is closed then
   */
  replace({ stamp, finding }: ReplaceRequest): void {
    this.#parts.salvage.close();
    this.#db.close();
    try {
      replaceDamaged(this.#path, stamp, finding);
      this.#db = openOrReplace(this.#path, stamp);
      this.#parts = partsOf(this.#db);
    } catch (thrown) {
      this.#letGo();
      throw thrown;
    }
  }

  useReserve(): void {
    useReserve(this.#path);
  }

  retention(request: RetentionRequest, shedding: boolean): RetentionStep {
    const step = () => retentionStep(this.#db, this.#path, request, shedding);
    let done: RetentionStep;
    try {
      done = step();
    } catch (thrown) {
      // Deleting needs some room itself: that is what the reserve is for.
      if ((thrown as { code?: unknown }).code !== 'SQLITE_FULL' || !useReserve(this.#path)) throw thrown;
      done = step();
    }
    if (!done.more) makeReserve(this.#path);
    return done;
  }

  /** @param isTrusted false after a write has failed: then the log is left as it is, for the next opening to read */
  close(isTrusted: boolean): void {
    this.#parts.salvage.close();
    let keeper: SqliteDatabase | undefined;
    try {
      // The last connection writes the log back and deletes it, unless it may not write. Without a log a database
      // cannot be opened on a disk that is read-only (sqlite.org/wal.html, "Read-Only Databases"); and what could not
      // be written back is not to be tried a second time (page-cache.ts).
      keeper = new SqliteDatabase(this.#path, { readonly: true });
      keeper.pragma('user_version');
      if (isTrusted) this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // On a disk that takes nothing the log stays: the next start reads it.
    } finally {
      this.#letGo();
      keeper?.close();
    }
  }

  /** Or no later opening would get the folder. */
  #letGo(): void {
    this.#db.close();
    this.#lock.release();
  }
}
