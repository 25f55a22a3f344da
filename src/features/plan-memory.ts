import { SmEdgeError } from '../base/errors.js';

/** What a library has for its memory; a place is a byte of it, 0 for none. */
export interface Allocator {
  _pffft_aligned_malloc(bytes: number): number;
  _pffft_aligned_free(place: number): void;
}

/** Transforms begin this far behind their data, modulo a page: else the two would compete for lines of the cache. */
const APART_BYTES = 1024;
const PAGE_BYTES = 4096;

interface Shared {
  readonly place: number;
  users: number;
}

/**
 * What plans of one thread have in common, so that sixty-four channels take the memory, and the cache, of one: the
 * factors of each length, which nobody writes to, and one work area, of use during a transform only.
 */
export class PlanMemory {
  static readonly #memories = new WeakMap<Allocator, PlanMemory>();
  readonly #library: Allocator;
  readonly #shared = new Map<string, Shared>();
  #work = 0;
  #workBytes = 0;
  #plans = 0;

  /** The memory of a library: one, as long as the library is in use. */
  static of(library: Allocator): PlanMemory {
    let memory = PlanMemory.#memories.get(library);
    if (memory === undefined) {
      memory = new PlanMemory(library);
      PlanMemory.#memories.set(library, memory);
    }
    return memory;
  }

  private constructor(library: Allocator) {
    this.#library = library;
  }

  /** Takes part: the work area holds `workBytes` from now on. Throws `FFT_MEMORY`. */
  join(workBytes: number): void {
    const bytes = workBytes + PAGE_BYTES;
    if (bytes > this.#workBytes) {
      const larger = this.malloc(bytes);
      if (this.#work !== 0) this.#library._pffft_aligned_free(this.#work);
      this.#work = larger;
      this.#workBytes = bytes;
    }
    this.#plans++;
  }

  leave(): void {
    this.#plans--;
    if (this.#plans > 0) return;
    this.#library._pffft_aligned_free(this.#work);
    this.#work = 0;
    this.#workBytes = 0;
  }

  /** The work area for data at `place`; another plan may move it. */
  workFor(place: number): number {
    return this.#work + ((place + APART_BYTES - this.#work) & (PAGE_BYTES - 1));
  }

  /** What `make` put into the memory for the first plan that asked for `key`. */
  share(key: string, make: () => number): number {
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { place: make(), users: 0 };
      this.#shared.set(key, shared);
    }
    shared.users++;
    return shared.place;
  }

  /** Gives a share back; the last one to do so frees it. */
  release(key: string, free: (place: number) => void): void {
    const shared = this.#shared.get(key);
    if (shared === undefined || --shared.users > 0) return;
    this.#shared.delete(key);
    free(shared.place);
  }

  /** Throws `FFT_MEMORY` where there is none left. */
  malloc(bytes: number): number {
    const place = this.#library._pffft_aligned_malloc(bytes);
    if (place === 0) throw new SmEdgeError('FFT_MEMORY', `no memory for a transform: ${bytes} bytes`);
    return place;
  }
}
