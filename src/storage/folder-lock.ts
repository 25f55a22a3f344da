import { userInfo } from 'node:os';
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
 * @throws SmEdgeError `STORE_IN_USE`, `STORE_OPEN` where this user may not write there
 */
export function lockFolder(folder: string, file = LOCK_FILE): FolderLock {
  const lock = openLock(folder, file);
  try {
    // Nothing is ever written: on a full disk there is no room for a journal.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    lock.close();
    if (!String((thrown as { code?: unknown }).code).startsWith('SQLITE_BUSY'))
      throw lockError(folder, thrown);
    throw new SmEdgeError('STORE_IN_USE', `another sm-edge uses the data folder ${folder}`, {
      hint: 'stop it first (systemctl stop sm-edge), or point storage.path to another folder',
    });
  }
  return { release: () => lock.close() };
}

function openLock(folder: string, file: string): SqliteDatabase {
  try {
    return new SqliteDatabase(join(folder, file), { timeout: WAIT_MS });
  } catch (thrown) {
    throw lockError(folder, thrown);
  }
}

const lockError = (folder: string, cause: unknown): SmEdgeError =>
  new SmEdgeError(
    'STORE_OPEN',
    `the data folder ${folder} cannot be used by ${userInWords()}: ${(cause as Error).message}`,
    {
      cause,
      // A disk may have room again, or be mounted again.
      retryable: true,
      hint: 'run as the user of the service ("ls -ld" shows whose folder it is), and see that it exists and is writable ("df", "mount")',
    },
  );

/** A user without a name (of a container) is a number. */
function userInWords(): string {
  try {
    return `user ${userInfo().username}`;
  } catch {
    return `user ${process.getuid?.() ?? ''}`.trim();
  }
}
