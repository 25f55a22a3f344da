import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';

/** O_DIRECT wants memory, offset and length in multiples of the blocks of the disk: 512 bytes or 4 KiB. */
const BLOCK_BYTES = 4_096;
const CHUNK_BYTES = 2 ** 20;
/** What an allocator gives is a multiple of this. */
const ALLOCATED_TO_BYTES = 16;

/** A stretch of a file, bytes; both multiples of 4 KiB, but for the end of the file. */
export interface Stretch {
  readonly at: number;
  readonly bytes: number;
}

/**
 * Makes what the kernel holds of a file in memory be what the disk has, with system calls that Node has: what O_DIRECT
 * reads comes from the disk, and what it writes throws out what was held of the place. Only blocks that differ are
 * written, with what the disk has of them; and those that are all zero, which may be space that ext4 never came to mark
 * as written. The file is at no moment without anything that it had.
 * @param stretches where what is held may be wrong; the whole file where it is not said
 * @throws what the system says where a file system has no O_DIRECT, or the disk takes nothing
 */
export function rereadFromDisk(path: string, stretches?: Iterable<Stretch>): void {
  const direct = new DirectFile(path);
  const held = openSync(path, constants.O_RDONLY);
  try {
    const { size } = fstatSync(held);
    const ours = Buffer.alloc(CHUNK_BYTES);
    for (const { at, bytes } of stretches ?? [{ at: 0, bytes: size }]) {
      for (let from = at; from < Math.min(at + bytes, size); from += CHUNK_BYTES) {
        const length = Math.min(CHUNK_BYTES, at + bytes - from, size - from);
        const there = direct.read(from, length);
        ours.fill(0, 0, length);
        readAll(held, ours.subarray(0, length), from);
        for (let block = 0; block < length; block += BLOCK_BYTES) {
          const end = Math.min(block + BLOCK_BYTES, length);
          const onDisk = there.subarray(block, end);
          const isSame = onDisk.equals(ours.subarray(block, end));
          if (!isSame || onDisk.every((byte) => byte === 0)) direct.writeBack(from, block, isSame);
        }
      }
    }
    direct.end(size);
  } finally {
    closeSync(held);
    direct.close();
  }
}

class DirectFile {
  readonly #path: string;
  readonly #file: number;
  readonly #memory: Buffer;
  #writing: number | undefined;
  #isReadOnly = false;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
    try {
      this.#memory = alignedFor(this.#file);
    } catch (thrown) {
      closeSync(this.#file);
      throw thrown;
    }
  }

  /** Gives what the disk has; zeros where it has less. */
  read(at: number, bytes: number): Buffer {
    const whole = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
    this.#memory.fill(0, 0, whole);
    readAll(this.#file, this.#memory.subarray(0, whole), at);
    return this.#memory.subarray(0, bytes);
  }

  /**
   * Writes a block as it was read last. The last one of the file may reach beyond its end: `end` cuts it.
   * @param isSame nothing is lost where a read-only disk takes it not
   */
  writeBack(at: number, block: number, isSame: boolean): void {
    if (isSame && this.#isReadOnly) return;
    try {
      this.#writing ??= openSync(this.#path, constants.O_WRONLY | constants.O_DIRECT);
    } catch (thrown) {
      this.#isReadOnly = ['EROFS', 'EACCES', 'EPERM'].includes((thrown as NodeJS.ErrnoException).code ?? '');
      if (isSame && this.#isReadOnly) return;
      throw thrown;
    }
    const written = writeSync(this.#writing, this.#memory, block, BLOCK_BYTES, at + block);
    if (written !== BLOCK_BYTES) throw new Error(`${this.#path} took ${written} of ${BLOCK_BYTES} bytes`);
  }

  end(size: number): void {
    if (this.#writing === undefined) return;
    if (size % BLOCK_BYTES !== 0) ftruncateSync(this.#writing, size);
    fdatasyncSync(this.#writing);
  }

  close(): void {
    closeSync(this.#file);
    if (this.#writing !== undefined) closeSync(this.#writing);
  }
}

/** Memory that the kernel takes for O_DIRECT. Node does not tell addresses: what is wrong is refused with EINVAL. */
function alignedFor(file: number): Buffer {
  const memory = Buffer.alloc(CHUNK_BYTES + BLOCK_BYTES);
  for (let shift = 0; ; shift += ALLOCATED_TO_BYTES) {
    try {
      readSync(file, memory, shift, BLOCK_BYTES, 0);
      return memory.subarray(shift, shift + CHUNK_BYTES);
    } catch (thrown) {
      const isRefused = (thrown as NodeJS.ErrnoException).code === 'EINVAL';
      if (!isRefused || shift + ALLOCATED_TO_BYTES > BLOCK_BYTES) throw thrown;
    }
  }
}

function readAll(file: number, into: Buffer, at: number): void {
  for (let done = 0; done < into.length; ) {
    const read = readSync(file, into, done, into.length - done, at + done);
    done += read;
    // The end of the file: a further read would not begin where a block does.
    if (read === 0 || done % BLOCK_BYTES !== 0) return;
  }
}
