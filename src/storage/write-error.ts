import { SmEdgeError } from '../base/errors.js';

interface Trouble {
  /** Of SQLite's codes. */
  readonly codes: RegExp;
  readonly code: string;
  readonly hint: string;
}

const TROUBLES: readonly Trouble[] = [
  {
    codes: /^SQLITE_FULL/,
    code: 'STORE_FULL',
    hint: 'make room on the disk ("df -h" shows how much there is)',
  },
  {
    codes: /^SQLITE_READONLY/,
    code: 'STORE_READONLY',
    hint: 'the disk or the file is read-only; after an error of a disk the kernel makes it so until it is checked and mounted again ("dmesg" tells)',
  },
  {
    // What the disk could not give back is another matter.
    codes: /^SQLITE_IOERR(?!_(SHORT_)?READ)/,
    code: 'STORE_FAILED',
    hint: 'the disk fails while it is written to ("dmesg" tells): look at its plug and its age',
  },
  {
    codes: /^/,
    code: 'STORE_WRITE',
    hint: 'look at the free space and the health of the disk ("df -h", "dmesg")',
  },
];

/** Disk full, read-only, failing, locked: it may be better later. A value that no column takes: never. */
export function writeError(thrown: unknown): SmEdgeError {
  const sqliteCode = String((thrown as { code?: unknown } | null)?.code ?? '');
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const forGood =
    sqliteCode.startsWith('SQLITE_CONSTRAINT') ||
    sqliteCode === 'SQLITE_MISMATCH' ||
    sqliteCode === 'SQLITE_TOOBIG' ||
    !sqliteCode.startsWith('SQLITE_');
  const { code, hint } = TROUBLES.find(({ codes }) => codes.test(sqliteCode))!;
  return new SmEdgeError(code, `the store could not write: ${message}`, {
    cause: thrown,
    retryable: !forGood,
    hint,
  });
}
