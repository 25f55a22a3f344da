import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { SmEdgeError } from '../base/errors.js';
import { makeFolder } from '../base/folders.js';
import { finishReplacing, isDamage, isUnreadable, replaceDamaged } from './damage.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { MIGRATIONS } from './migrations/index.js';
import { dropDatabaseFromPageCache, unsureError } from './page-cache.js';
import { makeReserve, useReserve } from './reserve-file.js';
import { SqliteDatabase } from './sqlite.js';
import { contentFault, fileFault, migrate } from './start-check.js';

export interface OpenedDatabase {
  readonly db: SqliteDatabase;
  /** To be released after the database was closed. */
  readonly lock: FolderLock;
}

/** Another program that reads the file may hold it this long before a write fails, milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the database, makes or migrates it. A damaged file is set aside, never deleted, and a new one is begun with
 * what can be read.
 * @param stamp goes into the name of a file that is set aside
 * @param hasFailed whether this program has seen a write to the file fail
 * @throws SmEdgeError `STORE_IN_USE` while another process has the folder, `STORE_NEWER` for a file of a newer program
 *   (left untouched), `STORE_FAILED` where a write has failed and what the disk has of it cannot be known, `STORE_OPEN`
 *   otherwise
 */
export function openDatabase(path: string, stamp: string, hasFailed = false): OpenedDatabase {
  let lock: FolderLock | undefined;
  try {
    makeFolder(dirname(path), 0o750);
    lock = lockFolder(dirname(path));
    finishReplacing(path);
    // A log that was left may be what could not be written: only what is on the disk counts.
    if (hasLog(path) && !dropDatabaseFromPageCache(path) && hasFailed) throw unsureError(path);
    const db = openOnFullDisk(path, stamp);
    makeReserve(path);
    return { db, lock };
  } catch (thrown) {
    lock?.release();
    throw openError(path, thrown);
  }
}

const hasLog = (path: string): boolean => (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;

/** A full disk has no room for the log that opening needs: the reserve makes some. */
function openOnFullDisk(path: string, stamp: string): SqliteDatabase {
  try {
    return openOrReplace(path, stamp);
  } catch (thrown) {
    if (!isOutOfRoom(thrown) || !useReserve(path)) throw thrown;
    return openOrReplace(path, stamp);
  }
}

const isOutOfRoom = (thrown: unknown): boolean =>
  /^(SQLITE_FULL|SQLITE_CANTOPEN|SQLITE_IOERR|ENOSPC)/.test(
    String((thrown as { code?: unknown } | null)?.code),
  );

/** As `openDatabase`, for a folder that is locked already. */
export function openOrReplace(path: string, stamp: string): SqliteDatabase {
  try {
    const fault = fileFault(path);
    if (fault !== undefined) throw new SmEdgeError('STORE_DAMAGED', fault);
    return openSound(path);
  } catch (thrown) {
    if (!isDamage(thrown) && !isUnreadable(thrown)) throw thrown;
    replaceDamaged(path, stamp, (thrown as Error).message);
    return openSound(path);
  }
}

function openSound(path: string): SqliteDatabase {
  const version = existsSync(path) ? acceptedVersion(path) : 0;
  const db = new SqliteDatabase(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    // WAL with FULL: a commit returns after the fsync of the log, so it survives a power cut (sqlite.org/wal.html).
    if (version === 0) db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('cache_size = -4096');
    // The log is cut back to this after a checkpoint, or a burst would keep its size for ever.
    db.pragma('journal_size_limit = 16777216');
    migrate(db, version);
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

/** Looks at the file without writing to it, not even its log back into it: a newer program wants it as it left it. */
function acceptedVersion(path: string): number {
  const db = new SqliteDatabase(path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    const fault = contentFault(db, path);
    if (fault !== undefined) throw new SmEdgeError('STORE_DAMAGED', fault);
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version <= MIGRATIONS.length) return version;
    throw new SmEdgeError(
      'STORE_NEWER',
      `${path} is of a newer program (form ${version}, this one knows ${MIGRATIONS.length})`,
      { hint: 'install that version of sm-edge again, or point storage.path to another folder' },
    );
  } finally {
    db.close();
  }
}

function openError(path: string, cause: unknown): SmEdgeError {
  if (cause instanceof SmEdgeError) return cause;
  return new SmEdgeError('STORE_OPEN', `${path} cannot be opened: ${(cause as Error).message}`, {
    cause,
    // A disk may have room again, or be mounted again.
    retryable: true,
    hint: 'the folder of storage.path must exist or be creatable, and be writable for the user of the service',
  });
}
