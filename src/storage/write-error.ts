import { SmEdgeError } from '../base/errors.js';

/** The disk failed while something was written; what it could not give back is another matter. */
const FAILED = /^SQLITE_IOERR(?!_(SHORT_)?READ)/;

/** Disk full, read-only, failing, locked: it may be better later. A value that no column takes: never. */
export function writeError(thrown: unknown): SmEdgeError {
  const code = String((thrown as { code?: unknown } | null)?.code ?? '');
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const forGood =
    code.startsWith('SQLITE_CONSTRAINT') ||
    code === 'SQLITE_MISMATCH' ||
    code === 'SQLITE_TOOBIG' ||
    !code.startsWith('SQLITE_');
  return new SmEdgeError(
    code === 'SQLITE_FULL'
      ? 'STORE_FULL'
      : code.startsWith('SQLITE_READONLY')
        ? 'STORE_READONLY'
        : FAILED.test(code)
          ? 'STORE_FAILED'
          : 'STORE_WRITE',
    `the store could not write: ${message}`,
    {
      cause: thrown,
      retryable: !forGood,
      hint: 'look at the free space and the health of the disk ("df -h", "dmesg")',
    },
  );
}
