import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A file that only takes room. On a full disk nothing can be deleted from a database, since a deletion is written to
 * the log first: giving this room back makes shedding possible, and a start.
 */
const RESERVE_FILE = 'sm-edge.reserve';
const RESERVE_BYTES = 4 * 2 ** 20;
/** Made again once there is this much room. */
const MAKE_FROM_BYTES = 16 * RESERVE_BYTES;

/** Makes the reserve where it is missing and there is room for it. */
export function makeReserve(database: string): void {
  const path = pathOf(database);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return;
    const { bavail, bsize } = statfsSync(dirname(database));
    if (bavail * bsize < MAKE_FROM_BYTES) return;
    const file = openSync(path, 'w', 0o640);
    try {
      // Written, not only made long: a file with a hole takes no room. Not zeros, which some file systems leave out.
      writeSync(file, Buffer.alloc(RESERVE_BYTES, 0x5a));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // Without a reserve everything works but the way out of a full disk.
  }
}

/** Gives the room back; false where there was none to give. */
export function useReserve(database: string): boolean {
  const path = pathOf(database);
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return false;
    rmSync(path);
    return true;
  } catch {
    return false;
  }
}

const pathOf = (database: string): string => join(dirname(database), RESERVE_FILE);
