import { SmEdgeError } from '../base/errors.js';

/** Disk full, read-only, locked: it may be better later. A value that no column takes: never. */
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
        : 'STORE_WRITE',
    `the store could not write: ${message}`,
    {
      cause: thrown,
      retryable: !forGood,
      hint: 'look at the free space and the health of the disk ("df -h", "dmesg")',
    },
  );
}
