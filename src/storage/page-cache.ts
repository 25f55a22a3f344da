import { spawnSync } from 'node:child_process';

const TIMEOUT_MS = 30_000;

/**
 * Makes the kernel forget what it holds of a file in memory. After a write has failed that may be what never reached
 * the disk, marked as if it had (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020);
 * and ext4 then loses what is written to the same place again, though its fsync returns without an error. Node has no
 * posix_fadvise(2): coreutils' dd calls it. What is still to be written is written first, where the disk takes it.
 */
export function dropFromPageCache(path: string): void {
  dd(`of=${path}`, 'oflag=nocache', 'conv=notrunc,nocreat,fdatasync', 'count=0');
  // Also on a disk that is read-only, or that took nothing just now.
  dd(`if=${path}`, 'iflag=nocache', 'count=0');
}

function dd(...args: string[]): void {
  spawnSync('dd', args, { stdio: 'ignore', timeout: TIMEOUT_MS });
}
