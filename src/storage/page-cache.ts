import { spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { SmEdgeError } from '../base/errors.js';
import { rereadFromDisk, type Stretch } from './direct-io.js';
import { scanWal } from './salvage/wal.js';

const TIMEOUT_MS = 30_000;
const DROP_CACHES = '/proc/sys/vm/drop_caches';
/** The kernel's number for pages of files; 2 and 3 would take its tables of folders too. */
const PAGES = '1';

/** One way to forget; false where it does not work here. */
export type ForgetWay = (path: string, stretches?: Iterable<Stretch>) => boolean;

/** Of one file, by posix_fadvise(2), which Node does not have: coreutils' dd calls it, busybox's refuses the flag. */
export const forgetByDd: ForgetWay = (path) =>
  spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore', timeout: TIMEOUT_MS })
    .status === 0;

/** Of all files of the machine: root only. */
export const forgetByDropCaches: ForgetWay = () => {
  try {
    const kernel = openSync(DROP_CACHES, constants.O_WRONLY);
    try {
      writeSync(kernel, PAGES);
    } finally {
      closeSync(kernel);
    }
    return true;
  } catch {
    return false;
  }
};

/** By reading past the memory and writing back what differs; not on every file system. */
export const forgetByDirectIo: ForgetWay = (path, stretches) => {
  try {
    rereadFromDisk(path, stretches);
    return true;
  } catch {
    return false;
  }
};

const WAYS = [forgetByDd, forgetByDropCaches, forgetByDirectIo];

/**
 * Makes the kernel forget what it holds of a file in memory. After a write has failed that may be what never reached
 * the disk, marked as if it had (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020);
 * and ext4 then loses what is written to the same place again, though its fsync returns without an error. What is
 * still to be written is written first, where the disk takes it.
 * @param stretches where what is held may be wrong; the whole file where it is not said
 * @returns false where nothing on this machine does it
 */
export function dropFromPageCache(
  path: string,
  stretches?: Iterable<Stretch>,
  ways: readonly ForgetWay[] = WAYS,
): boolean {
  writeOut(path);
  return ways.some((forget) => forget(path, stretches));
}

/** A disk that is read-only, or that took nothing just now, is no matter: what it has is what counts. */
function writeOut(path: string): void {
  try {
    const file = openSync(path, 'r+');
    try {
      fdatasyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // Said by the next write.
  }
}

/**
 * As `dropFromPageCache`, of a database and its log. The log first: what of it was being written back into the
 * database is what may be wrong there, since it is begun anew only once all of that was on the disk.
 */
export function dropDatabaseFromPageCache(path: string, ways?: readonly ForgetWay[]): boolean {
  const log = `${path}-wal`;
  if (!dropFromPageCache(log, undefined, ways)) return false;
  const scan = scanWal(log);
  const stretches =
    scan === undefined
      ? undefined
      : [...scan.pages.keys()].map((page) => ({ at: (page - 1) * scan.pageSize, bytes: scan.pageSize }));
  return !existsSync(path) || dropFromPageCache(path, stretches, ways);
}

/** What the disk has of a file in which a write has failed cannot be known. */
export const unsureError = (path: string): SmEdgeError =>
  new SmEdgeError('STORE_FAILED', `${path}: a write has failed, and the kernel cannot be made to forget it`, {
    retryable: true,
    hint: 'restart the machine, or install coreutils, whose dd can do it (that of busybox cannot): the program goes on by itself then',
  });
