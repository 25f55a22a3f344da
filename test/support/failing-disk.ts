import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './daemon.js';
import { canMount, run } from './disks.js';
import { findProgram, optionalPeer, requirePeer } from './require.js';

/** How a file system is made and checked; xfs and btrfs recover by themselves when they are mounted. */
interface FileSystem {
  readonly make: readonly [string, ...string[]];
  readonly check?: readonly [string, ...string[]];
  /** Less it does not take. */
  readonly leastMiB: number;
}

const FILE_SYSTEMS: Readonly<Record<string, FileSystem>> = {
  ext4: { make: ['mkfs.ext4', '-q', '-F'], check: ['e2fsck', '-fy'], leastMiB: 1 },
  xfs: { make: ['mkfs.xfs', '-q', '-f'], leastMiB: 320 },
  btrfs: { make: ['mkfs.btrfs', '-q', '-f'], leastMiB: 160 },
};
/** `npm run soak -- power --filesystem xfs` */
export const FILE_SYSTEM = process.env.SM_EDGE_SOAK_FILESYSTEM ?? 'ext4';
const { make: MAKE, check: CHECK, leastMiB: LEAST_MIB } = FILE_SYSTEMS[FILE_SYSTEM]!;

const PROGRAMS = ['nbdkit', 'nbdfuse', MAKE[0], ...(CHECK === undefined ? [] : [CHECK[0]])];

/** Can this user make a disk that fails when it is told to? Skips, saying so, where not. */
export async function canFailDisks(): Promise<boolean> {
  if (!canMount()) return false;
  const programs = PROGRAMS.every((name) =>
    requirePeer(name, findProgram(name) !== undefined, 'scripts/test-servers.sh'),
  );
  if (!programs) return false;
  const fault = await FailingDisk.make(16).then(
    (disk) => disk.remove(),
    (thrown: Error) => thrown.message,
  );
  return optionalPeer('a disk by FUSE', fault === undefined, `run the tests where nbdfuse works (${fault})`);
}

/**
 * A disk of a few mebibytes whose medium can fail, come back, and lose its power with what it had in its cache.
 * nbdkit plays the medium, nbdfuse gives it as a file, on which the kernel's own file system is mounted.
 *
 * `mount -o remount,abort` will not do in its place: while it is under way fsync returns without an error for what is
 * not on the disk (seen with pwrite and fdatasync alone, Linux 6.18), which nobody can notice.
 */
export class FailingDisk {
  readonly folder: string;
  readonly #base: string;
  readonly #image: string;
  readonly #disk: string;
  readonly #bad: string;
  readonly #pidFile: string;
  #server: ChildProcess | undefined;

  private constructor(sizeMiB: number) {
    this.#base = mkdtempSync(join(tmpdir(), 'sm-edge-failing-'));
    this.folder = join(this.#base, 'mnt');
    this.#image = join(this.#base, 'image');
    this.#disk = join(this.#base, 'disk');
    this.#bad = join(this.#base, 'bad');
    this.#pidFile = join(this.#base, 'pid');
    mkdirSync(this.folder);
    for (const file of [this.#image, this.#disk]) writeFileSync(file, '');
    truncateSync(this.#image, Math.max(sizeMiB, LEAST_MIB) * 2 ** 20);
  }

  static async make(sizeMiB: number): Promise<FailingDisk> {
    const disk = new FailingDisk(sizeMiB);
    try {
      await disk.#plug();
      const [make, ...options] = MAKE;
      if (!run(make, ...options, disk.#disk)) throw new Error(`${make} failed`);
      disk.mount();
      return disk;
    } catch (thrown) {
      await disk.remove();
      throw thrown;
    }
  }

  mount(): void {
    if (!run('mount', '-o', 'loop', this.#disk, this.folder)) throw new Error('the disk cannot be mounted');
  }

  /** Read-only works only while nobody has a file open for writing. */
  remount(how: 'ro' | 'rw'): boolean {
    return run('mount', '-o', `remount,${how}`, this.folder);
  }

  /** From now on nothing is written to the medium: every write gives EIO. */
  fail(): void {
    writeFileSync(this.#bad, '');
  }

  /** The medium takes writes again; the file system may have given the disk up meanwhile, until it is mounted anew. */
  heal(): void {
    rmSync(this.#bad, { force: true });
  }

  /** Whether the file system still takes writes. */
  get isWritable(): boolean {
    const probe = join(this.folder, 'probe');
    try {
      const file = openSync(probe, 'wx');
      try {
        writeSync(file, 'probe');
        fsyncSync(file);
      } finally {
        closeSync(file);
        rmSync(probe);
      }
      return true;
    } catch {
      return false;
    }
  }

  /** The power goes, and with it what the medium had taken and no flush had made it keep. */
  cutPower(): void {
    process.kill(Number(readFileSync(this.#pidFile, 'utf8')), 'SIGKILL');
  }

  /** With power again: checked and mounted anew, so that nothing is read from the kernel's memory. */
  async repair(): Promise<void> {
    this.heal();
    // Only once nobody has a file open on it.
    await eventually('the disk is unmounted', () => run('umount', this.folder) || undefined);
    await this.#unplug();
    await this.#plug();
    if (CHECK !== undefined) {
      const [check, ...options] = CHECK;
      run(check, ...options, this.#disk);
    }
    this.mount();
  }

  async remove(): Promise<void> {
    run('umount', '-l', this.folder);
    await this.#unplug();
    rmSync(this.#base, { recursive: true, force: true });
  }

  async #plug(): Promise<void> {
    const fails = ['pwrite', 'zero', 'trim'].map((call) => `error-${call}-rate=100%`);
    const medium = ['--filter=error', '--filter=cache', 'file', this.#image, 'cache=writeback'];
    const nbdkit = ['nbdkit', '-s', '-P', this.#pidFile, ...medium, ...fails, `error-file=${this.#bad}`];
    const server = spawn(findProgram('nbdfuse')!, [this.#disk, '--command', ...nbdkit], { stdio: 'ignore' });
    this.#server = server;
    await eventually('the disk is plugged in', () => {
      if (server.exitCode !== null) throw new Error(`nbdfuse ended with ${server.exitCode}`);
      return statSync(this.#disk).size > 0 || undefined;
    });
  }

  async #unplug(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    run('umount', '-l', this.#disk);
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
  }
}
