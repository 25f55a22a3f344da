import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { optionalPeer } from './require.js';

const isRoot = process.getuid?.() === 0;

/** Can this user mount a small disk of its own? Skips, saying so, where not. */
export function canMount(): boolean {
  if (!isRoot) return optionalPeer('the right to mount a disk', false, 'run the tests as root');
  const probe = new SmallDisk('tmpfs', 1);
  const mounted = probe.isMounted;
  probe.remove();
  return optionalPeer('the right to mount a disk', mounted, 'run the tests where mount(8) is allowed');
}

/** A disk of a few mebibytes in a folder of its own, that can be filled, emptied, and made read-only. */
export class SmallDisk {
  readonly folder: string;
  readonly #image: string | undefined;
  readonly #filler: string;
  isMounted: boolean;

  constructor(kind: 'tmpfs' | 'ext4', sizeMiB: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'sm-edge-disk-'));
    this.#filler = join(this.folder, 'filler');
    if (kind === 'tmpfs') {
      this.isMounted = run('mount', '-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', this.folder);
      return;
    }
    this.#image = `${this.folder}.img`;
    writeFileSync(this.#image, '');
    truncateSync(this.#image, sizeMiB * 2 ** 20);
    this.isMounted = run('mkfs.ext4', '-q', '-F', this.#image) && this.mount();
  }

  mount(): boolean {
    this.isMounted = run('mount', '-o', 'loop', this.#image!, this.folder);
    return this.isMounted;
  }

  /** Read-only works only while nobody has a file open for writing. */
  remount(how: 'ro' | 'rw'): boolean {
    return run('mount', '-o', `remount,${how}`, this.folder);
  }

  /** Takes all room that is left. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (const size of [65_536, 4_096]) {
        const block = Buffer.alloc(size, 0x33);
        try {
          while (writeSync(file, block) === size);
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  remove(): void {
    if (this.isMounted) run('umount', '-l', this.folder);
    rmSync(this.folder, { recursive: true, force: true });
    if (this.#image !== undefined) rmSync(this.#image, { force: true });
  }
}

/** Runs a command; gives whether it went well. */
export const run = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;
