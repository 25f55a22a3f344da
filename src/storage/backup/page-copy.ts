import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dropFromPageCache } from '../page-cache.js';
import { DatabaseSnapshot } from './snapshot.js';

/** What is copied, compared and written at a time, bytes; a multiple of every page size. */
const BLOCK_BYTES = 64 * 1024;
const DIGEST_BYTES = 16;
const MAGIC = Buffer.from('sm-edge pages/1\n');
/** Digests are put on the disk after so many blocks: so much is copied again after an interruption at most. */
const SAVE_EVERY = 64;
/** A slow target must not keep the log of the store from being begun anew for longer than this, milliseconds. */
const HOLD_MS = 60_000;
/** Blocks that are wrong when they are read back are written again so often. */
const MAX_REPAIRS = 3;

export interface PageCopyRequest {
  readonly from: string;
  /** A file that an earlier run was cut off with is gone on with. */
  readonly to: string;
  /** How far it is: bytes looked at, of how many. */
  readonly progress: Float64Array<SharedArrayBuffer>;
  /** How long one moment of the store is held while blocks are copied for the first time, milliseconds. */
  readonly holdMs?: number;
}

export interface PageCopyResult {
  readonly bytes: number;
  /** Of them, so many were there from an earlier run. */
  readonly keptBytes: number;
  readonly sha256: string;
}

export const digestsOf = (copy: string): string => `${copy}.digests`;

/**
 * Copies a database block by block while others write to it. Beside the copy lie digests of the blocks that it has, so
 * that a run that was cut off is gone on with: each block of the store is read again, and written where it is another
 * than the copy has. At the end the copy is of one moment: the last pass looks at all blocks of one snapshot. Then the
 * copy is read back, and what does not match its digest is written again. Blocks its thread.
 */
export function copyPages({ from, to, progress, holdMs = HOLD_MS }: PageCopyRequest): PageCopyResult {
  const copy = new PartialCopy(to);
  let snapshot = new DatabaseSnapshot(from);
  try {
    const buffer = Buffer.alloc(BLOCK_BYTES);
    let kept = 0;
    let isOfOneMoment = true;
    const pass = (isFirst: boolean) => {
      let heldSince = performance.now();
      for (let block = 0; block * BLOCK_BYTES < snapshot.bytes; block++) {
        if (isFirst && performance.now() - heldSince > holdMs) {
          snapshot.close();
          snapshot = new DatabaseSnapshot(from);
          heldSince = performance.now();
          isOfOneMoment = false;
        }
        const bytes = snapshot.read(...pagesOf(snapshot, block), buffer);
        if (!copy.put(block, buffer.subarray(0, bytes)) && isFirst) kept += bytes;
        progress[0] = Math.min(snapshot.bytes, (block + 1) * BLOCK_BYTES);
        progress[1] = snapshot.bytes;
      }
    };
    pass(true);
    if (!isOfOneMoment) pass(false);
    copy.end(snapshot.bytes);
    for (let repair = 0; ; repair++) {
      const { wrong, sha256 } = copy.readBack();
      if (wrong.length === 0) return { bytes: snapshot.bytes, keptBytes: kept, sha256 };
      if (repair === MAX_REPAIRS)
        throw new Error(`${wrong.length} blocks of ${to} are not what was written: the disk is failing`);
      for (const block of wrong)
        copy.put(block, buffer.subarray(0, snapshot.read(...pagesOf(snapshot, block), buffer)), true);
      copy.end(snapshot.bytes);
    }
  } finally {
    snapshot.close();
    copy.close();
  }
}

function pagesOf({ pageSize }: DatabaseSnapshot, block: number): [first: number, count: number] {
  const count = BLOCK_BYTES / pageSize;
  return [block * count, count];
}

/** The copy with the digests of its blocks. */
class PartialCopy {
  readonly #path: string;
  readonly #file: number;
  readonly #digestFile: number;
  /** By block; undefined where the copy has none that is known. */
  readonly #digests: (string | undefined)[];
  #unsaved = new Set<number>();
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
    // The kernel's memory may be of what a failing medium never took.
    if (existsSync(path)) for (const file of [path, digestsOf(path)]) dropFromPageCache(file);
    // Digests without a copy, or the other way round, say nothing.
    const known = existsSync(path) ? knownDigests(digestsOf(path)) : undefined;
    if (known === undefined) for (const file of [path, digestsOf(path)]) rmSync(file, { force: true });
    this.#digests = known ?? [];
    this.#file = openSync(path, known === undefined ? 'wx+' : 'r+', 0o640);
    this.#digestFile = openSync(digestsOf(path), known === undefined ? 'wx+' : 'r+', 0o640);
    if (known === undefined) writeSync(this.#digestFile, MAGIC, 0, MAGIC.length, 0);
  }

  /** Gives whether the block had to be written. */
  put(block: number, bytes: Buffer, always = false): boolean {
    const digest = digestOf(bytes);
    if (!always && this.#digests[block] === digest) return false;
    // Until the new digest is saved the old one would be believed.
    if (this.#digests[block] !== undefined) this.#save(block, Buffer.alloc(DIGEST_BYTES));
    writeAll(this.#file, bytes, block * BLOCK_BYTES);
    this.#digests[block] = digest;
    this.#unsaved.add(block);
    if (this.#unsaved.size >= SAVE_EVERY) this.#saveAll();
    return true;
  }

  /** The whole has so many bytes, and is to be on the disk. */
  end(bytes: number): void {
    this.#bytes = bytes;
    this.#digests.length = Math.ceil(bytes / BLOCK_BYTES);
    ftruncateSync(this.#file, bytes);
    ftruncateSync(this.#digestFile, MAGIC.length + this.#digests.length * DIGEST_BYTES);
    this.#saveAll();
    fsyncSync(this.#file);
  }

  /** Blocks that are not what was written, and the SHA-256 of it all, as the medium has it. */
  readBack(): { readonly wrong: number[]; readonly sha256: string } {
    dropFromPageCache(this.#path);
    const wrong: number[] = [];
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(BLOCK_BYTES);
    for (let block = 0; block < this.#digests.length; block++) {
      const bytes = buffer.subarray(0, Math.min(BLOCK_BYTES, this.#bytes - block * BLOCK_BYTES));
      bytes.fill(0);
      for (let done = 0; done < bytes.length; ) {
        const read = readSync(this.#file, bytes, done, bytes.length - done, block * BLOCK_BYTES + done);
        if (read === 0) break;
        done += read;
      }
      if (digestOf(bytes) !== this.#digests[block]) wrong.push(block);
      hash.update(bytes);
    }
    return { wrong, sha256: hash.digest('hex') };
  }

  close(): void {
    closeSync(this.#file);
    closeSync(this.#digestFile);
  }

  #saveAll(): void {
    for (const block of this.#unsaved) {
      const digest = this.#digests[block];
      if (digest !== undefined) this.#save(block, Buffer.from(digest, 'hex'));
    }
    this.#unsaved = new Set();
  }

  #save(block: number, digest: Buffer): void {
    writeAll(this.#digestFile, digest, MAGIC.length + block * DIGEST_BYTES);
  }
}

/** The digests in a file, or undefined where it is none of ours. */
function knownDigests(path: string): (string | undefined)[] | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const count = Math.floor((bytes.length - MAGIC.length) / DIGEST_BYTES);
  const none = '0'.repeat(2 * DIGEST_BYTES);
  return Array.from({ length: count }, (_, block) => {
    const at = MAGIC.length + block * DIGEST_BYTES;
    const digest = bytes.toString('hex', at, at + DIGEST_BYTES);
    return digest === none ? undefined : digest;
  });
}

/** Half of a SHA-256: enough to tell two blocks apart. */
const digestOf = (bytes: Buffer): string =>
  createHash('sha256')
    .update(bytes)
    .digest('hex')
    .slice(0, 2 * DIGEST_BYTES);

function writeAll(file: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, at + done);
}
