import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { MIGRATIONS } from './migrations/index.js';
import { scanWal } from './salvage/wal.js';
import type { SqliteDatabase } from './sqlite.js';

/** `application_id` is this plus `user_version`: both in the header, so that a damaged one is told from a newer form. */
const APPLICATION_ID = 0x534d4500;
/** A file up to this size is checked as a whole at the start: a few seconds on an SD card. */
const WHOLE_CHECK_BYTES = 256 * 2 ** 20;
/** Checked at every start, whatever the size: what the daemon decides by. */
const ALWAYS_CHECKED = ['points', 'alarm_states', 'cursors', 'documents', 'outbox', 'dead_letters', 'events'];

/**
 * What is wrong with a file before SQLite opens it, or undefined. SQLite would take a file with a strange header for
 * read-only or for a form it does not know, and would silently forget what a broken log has after the break.
 */
export function fileFault(path: string): string | undefined {
  const header = Buffer.alloc(100);
  const file = openExisting(path);
  if (file === undefined) return undefined;
  let read: number;
  let size: number;
  try {
    size = fstatSync(file).size;
    read = size === 0 ? 0 : readSync(file, header, 0, 100, 0);
  } finally {
    closeSync(file);
  }
  if (read < 100) return `the file ends after ${read} bytes`;
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') return 'it does not begin as a database does';
  const fixed = header[20] === 0 && header[21] === 64 && header[22] === 32 && header[23] === 32;
  const known = [header[18]!, header[19]!].every((form) => form === 1 || form === 2);
  if (!fixed || !known || header.readUInt32BE(44) > 4 || header.readUInt32BE(56) > 1)
    return 'its header is not that of a database of this program';
  const { brokenFrames, pages } = scanWal(`${path}-wal`) ?? { brokenFrames: 0, pages: new Map() };
  if (brokenFrames > 0) return `${brokenFrames} pages of its log are broken`;
  // With a log the file may be shorter: what is missing is in the log.
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const expected = header.readUInt32BE(28) * pageSize;
  if (pages.size === 0 && size < expected) return `${expected - size} of its ${expected} bytes are missing`;
  return undefined;
}

/** What SQLite finds wrong with an open database, or undefined: all of it where it is small, the vital tables always. */
export function contentFault(db: SqliteDatabase, path: string): string | undefined {
  const version = Number(db.pragma('user_version', { simple: true }));
  const application = Number(db.pragma('application_id', { simple: true }));
  if (application !== 0 && application !== APPLICATION_ID + version)
    return `its header gives itself form ${version} and is marked as form ${application - APPLICATION_ID}`;
  // Of a newer program, which alone knows what is right in it.
  if (version > MIGRATIONS.length) return undefined;
  if (statSync(path).size <= WHOLE_CHECK_BYTES) return fault(db.pragma('quick_check(1)', { simple: true }));
  for (const table of ALWAYS_CHECKED) {
    const found = version === 0 ? undefined : fault(db.pragma(`quick_check(${table})`, { simple: true }));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** True where the check at the start left out the bulk. */
export const isPartlyChecked = (path: string): boolean => statSync(path).size > WHOLE_CHECK_BYTES;

const fault = (finding: unknown): string | undefined => (finding === 'ok' ? undefined : String(finding));

/** Brings a database from form `from` to form `to`, one commit a step. */
export function migrate(db: SqliteDatabase, from: number, to = MIGRATIONS.length): void {
  for (let version = from; version < to; version++) {
    db.transaction(() => {
      MIGRATIONS[version]!(db);
      db.pragma(`user_version = ${version + 1}`);
      db.pragma(`application_id = ${APPLICATION_ID + version + 1}`);
    })();
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
