import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { SmEdgeError } from '../base/errors.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { MIGRATIONS } from './migrations/index.js';
import { SqliteDatabase } from './sqlite.js';

export interface OpenedDatabase {
  readonly db: SqliteDatabase;
  /** Where a damaged file was put, if the file was damaged; a new one was begun then. */
  readonly setAside: string | undefined;
  /** To be released after the database was closed. */
  readonly lock: FolderLock;
}

/** Another program that reads the file may hold it this long before a write fails, milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the database, makes or migrates it. A damaged file is set aside, never deleted, and a new one is begun.
 * @param stamp goes into the name of a file that is set aside
 * @throws SmEdgeError `STORE_IN_USE` while another process has the folder, `STORE_NEWER` for a file of a newer program
 *   (left untouched), `STORE_OPEN` otherwise
 */
export function openDatabase(path: string, stamp: string): OpenedDatabase {
  let lock: FolderLock | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    lock = lockFolder(dirname(path));
    return { ...openOrBegin(path, stamp), lock };
  } catch (thrown) {
    lock?.release();
    throw openError(path, thrown);
  }
}

function openOrBegin(path: string, stamp: string): Omit<OpenedDatabase, 'lock'> {
  try {
    return { db: openSound(path), setAside: undefined };
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    const setAside = `${path}.damaged-${stamp}`;
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix);
    }
    return { db: openSound(path), setAside };
  }
}

function openSound(path: string): SqliteDatabase {
  const db = new SqliteDatabase(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version > MIGRATIONS.length) {
      throw new SmEdgeError(
        'STORE_NEWER',
        `${path} is of a newer program (form ${version}, this one knows ${MIGRATIONS.length})`,
        { hint: 'install that version of sm-edge again, or point storage.path to another folder' },
      );
    }
    // WAL with FULL: a commit returns after the fsync of the log, so it survives a power cut (sqlite.org/wal.html).
    if (version === 0) db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('cache_size = -4096');
    // The log is cut back to this after a checkpoint, or a burst would keep its size for ever.
    db.pragma('journal_size_limit = 16777216');
    const check = db.pragma('quick_check(1)', { simple: true });
    if (check !== 'ok') throw new SmEdgeError('STORE_DAMAGED', `${path}: ${String(check)}`);
    migrate(db, version);
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

function migrate(db: SqliteDatabase, from: number): void {
  for (let version = from; version < MIGRATIONS.length; version++) {
    db.transaction(() => {
      MIGRATIONS[version]!(db);
      db.pragma(`user_version = ${version + 1}`);
    })();
  }
}

function isDamage(thrown: unknown): boolean {
  const code = (thrown as { code?: unknown } | null)?.code;
  return code === 'STORE_DAMAGED' || code === 'SQLITE_NOTADB' || String(code).startsWith('SQLITE_CORRUPT');
}

function openError(path: string, cause: unknown): SmEdgeError {
  if (cause instanceof SmEdgeError) return cause;
  return new SmEdgeError('STORE_OPEN', `${path} cannot be opened: ${(cause as Error).message}`, {
    cause,
    hint: 'the folder of storage.path must exist or be creatable, and be writable for the user of the service',
  });
}
