import { join } from 'node:path';
import { SmEdgeError } from '../base/errors.js';
import { SqliteDatabase } from './sqlite.js';

export interface FolderLock {
  release(): void;
}

const LOCK_FILE = 'sm-edge.lock';
/** A daemon that is just ending, or a storage thread that is started again, lets go within this, milliseconds. */
const WAIT_MS = 2_000;

/**
 * Takes the data folder for this process. Two daemons on one folder would both deliver every event, both send the
 * outbox, and undo each other's alarm states.
 *
 * The lock is SQLite's own, on an empty database beside the data: it is gone with the process, however that ends, so
 * there is no stale lock to remove; and other programs may still read the data.
 * @throws SmEdgeError `STORE_IN_USE`
 */
export function lockFolder(folder: string, file = LOCK_FILE): FolderLock {
  const lock = new SqliteDatabase(join(folder, file), { timeout: WAIT_MS });
  try {
    // Nothing is ever written: on a full disk there is no room for a journal.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    lock.close();
    if (!String((thrown as { code?: unknown }).code).startsWith('SQLITE_BUSY')) throw thrown;
    throw new SmEdgeError('STORE_IN_USE', `another sm-edge uses the data folder ${folder}`, {
      hint: 'stop it first (systemctl stop sm-edge), or point storage.path to another folder',
    });
  }
  return { release: () => lock.close() };
}
