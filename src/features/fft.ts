import { readFile } from 'node:fs/promises';
import { SmEdgeError } from '../base/errors.js';
import { fftTables, isKernelLength } from './fft-tables.js';
import { magnitudeSums } from './kernels.js';
import { KERNELS_WASM } from './kernels-wasm.js';
import { type Allocator, PlanMemory } from './plan-memory.js';

/**
 * Fourier transforms of float32 data: powers of two by the kernel of scripts/kernels/fft.as, other lengths and engines
 * without SIMD by pffft (FFTPACK's algorithm, compiled to WebAssembly). Both live in one memory and give the same form.
 * A plan owns its buffer inside that memory; the transform runs in place and allocates nothing.
 */

/** Part of the engine, though not of ECMAScript, so that the language's types lack it. */
interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  instantiate(bytes: Uint8Array, imports: object): Promise<{ readonly instance: WasmInstance }>;
  readonly Memory: abstract new () => object;
};

/** What is used of the library. */
export interface FftLibrary extends Allocator {
  /** Changes its identity when the memory grows. */
  readonly HEAPF32: Float32Array;
  _pffft_new_setup(length: number, transform: number): number;
  _pffft_destroy_setup(setup: number): void;
  _pffft_transform_ordered(
    setup: number,
    input: number,
    output: number,
    work: number,
    direction: number,
  ): void;
  /** The batched kernels in the same memory; missing where the engine has no SIMD. */
  kernels?: Kernels;
}

/** scripts/kernels says what they do; every number but counts is a place in the memory. */
export interface Kernels {
  /** In place: packed as `RealFft` tells. */
  realForward(data: number, work: number, table: number, length: number): void;
  /** In place, real and imaginary parts interleaved, unscaled. */
  complexTransform(data: number, work: number, table: number, points: number, inverse: number): void;
  melEnergies(
    samples: number,
    frames: number,
    hop: number,
    length: number,
    window: number,
    data: number,
    work: number,
    table: number,
    power: number,
    bands: number,
    bandCount: number,
    out: number,
  ): void;
  waveformSums(samples: number, count: number, out: number): void;
  magnitudeSums(numbers: number, count: number, out: number): void;
  logSums(values: number, count: number, scale: number, least: number, out: number): void;
  toDecibels(values: number, count: number, least: number, range: number): void;
}

const REAL = 0;
const COMPLEX = 1;
const FORWARD = 0;
const BACKWARD = 1;

/** A function of one 128-bit constant: an engine without WebAssembly SIMD refuses it. */
const SIMD_PROBE = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98,
  11,
]);

let library: Promise<FftLibrary> | undefined;

/** Loads the library once per thread. */
export function loadFft(): Promise<FftLibrary> {
  library ??= WebAssembly.validate(SIMD_PROBE)
    ? loadSimd()
    : import('@echogarden/pffft-wasm').then((module) => module.default());
  return library;
}

/** The library with SIMD, and the kernels in its memory. */
async function loadSimd(): Promise<FftLibrary> {
  const file = new URL('pffft.wasm', import.meta.resolve('@echogarden/pffft-wasm/simd'));
  const { default: create } = await import('@echogarden/pffft-wasm/simd');
  const compiled = await readFile(file);
  let pffft: WasmInstance | undefined;
  const loaded = await create({
    instantiateWasm(imports, receive) {
      void WebAssembly.instantiate(compiled, imports).then(({ instance }) => {
        pffft = instance;
        receive(instance);
      });
      return {};
    },
  });
  const memory = Object.values(pffft?.exports ?? {}).find((value) => value instanceof WebAssembly.Memory);
  if (memory === undefined) return loaded;
  const { instance } = await WebAssembly.instantiate(Buffer.from(KERNELS_WASM, 'base64'), {
    env: { memory },
  });
  loaded.kernels = instance.exports as unknown as Kernels;
  return loaded;
}

/** Smallest factor of two in a length that pffft transforms: 2^5 for real input, 2^4 for complex. */
const MINIMUM_POWER = { real: 32, complex: 16 } as const;

/** Whether pffft transforms this length: 2^a 3^b 5^c with a >= 5 (real) or a >= 4 (complex). */
export function isFftLength(length: number, kind: 'real' | 'complex' = 'real'): boolean {
  if (!Number.isInteger(length) || length < MINIMUM_POWER[kind] || length % MINIMUM_POWER[kind] !== 0)
    return false;
  let rest = length;
  for (const prime of [2, 3, 5]) while (rest % prime === 0) rest /= prime;
  return rest === 1;
}

/** The longest length, at most `limit`, that pffft transforms; undefined below the shortest one. */
export function fftLengthAtMost(limit: number, kind: 'real' | 'complex' = 'real'): number | undefined {
  const step = MINIMUM_POWER[kind];
  for (let length = Math.floor(limit / step) * step; length >= step; length -= step) {
    if (isFftLength(length, kind)) return length;
  }
  return undefined;
}

/** The shortest length, at least `limit`, that pffft transforms. */
export function fftLengthAtLeast(limit: number, kind: 'real' | 'complex' = 'real'): number {
  const step = MINIMUM_POWER[kind];
  let length = Math.max(step, Math.ceil(limit / step) * step);
  while (!isFftLength(length, kind)) length += step;
  return length;
}

abstract class Plan {
  readonly length: number;
  readonly #pffft: FftLibrary;
  readonly #memory: PlanMemory;
  readonly #transform: number;
  readonly #floats: number;
  /** Where the kernel's factors are; undefined where pffft transforms this length. */
  readonly #table: number | undefined;
  readonly #data: number;
  /** pffft's plan: made at once where the kernel does not serve, else with the first inverse of real samples. */
  #setup: number | undefined;
  #view: Float32Array;
  #sums: Float64Array | undefined;
  #open = true;

  protected constructor(pffft: FftLibrary, length: number, transform: number) {
    const kind = transform === REAL ? 'real' : 'complex';
    if (!isFftLength(length, kind))
      throw new SmEdgeError('FFT_LENGTH', `pffft has no ${kind} transform of ${length} points`);
    this.length = length;
    this.#pffft = pffft;
    this.#memory = PlanMemory.of(pffft);
    this.#transform = transform;
    this.#floats = transform === REAL ? length : 2 * length;
    this.#data = this.#memory.malloc(this.#floats * 4);
    this.#memory.join(this.#floats * 4);
    if (pffft.kernels !== undefined && isKernelLength(length, kind))
      this.#table = this.#memory.share(this.#key('table'), () => this.#newTable(kind));
    else this.#setup = this.#newSetup();
    this.#view = this.#newView();
  }

  /** Input before, output after a transform. Ask again after any other plan was made: the memory may have moved. */
  get data(): Float32Array {
    if (this.#view.buffer !== this.#pffft.HEAPF32.buffer) this.#view = this.#newView();
    return this.#view;
  }

  /** All of the memory: its identity changes when it grows. */
  protected get heap(): Float32Array {
    return this.#pffft.HEAPF32;
  }

  forward(): void {
    this.#run(FORWARD);
  }

  /** Unscaled: forward and inverse together multiply by `length`. */
  inverse(): void {
    this.#run(BACKWARD);
  }

  /** Gives the memory back. Idempotent; the plan is of no use afterwards. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#pffft._pffft_aligned_free(this.#data);
    this.#memory.leave();
    if (this.#table !== undefined)
      this.#memory.release(this.#key('table'), (place) => this.#pffft._pffft_aligned_free(place));
    if (this.#setup !== undefined)
      this.#memory.release(this.#key('setup'), (setup) => this.#pffft._pffft_destroy_setup(setup));
  }

  /** By the kernel; false where there is none. The work area, free between transforms, takes the sums. */
  protected reduceMagnitudes(from: number, to: number, sums: Float64Array): boolean {
    const { kernels } = this.#pffft;
    if (kernels === undefined) return false;
    const work = this.#memory.workFor(this.#data);
    const { buffer } = this.#pffft.HEAPF32;
    if (this.#sums?.buffer !== buffer || this.#sums.byteOffset !== work)
      this.#sums = new Float64Array(buffer, work, 2);
    kernels.magnitudeSums(this.#data + 8 * from, to - from, work);
    sums.set(this.#sums);
    return true;
  }

  #run(direction: number): void {
    const table = this.#table;
    const work = this.#memory.workFor(this.#data);
    if (table !== undefined && this.#transform === COMPLEX)
      this.#pffft.kernels!.complexTransform(this.#data, work, table, this.length, direction);
    else if (table !== undefined && direction === FORWARD)
      this.#pffft.kernels!.realForward(this.#data, work, table, this.length);
    else {
      this.#setup ??= this.#newSetup();
      // pffft would take a missing work area from the stack, which in this build holds 64 KiB only.
      this.#pffft._pffft_transform_ordered(this.#setup, this.#data, this.#data, work, direction);
    }
  }

  #key(what: 'table' | 'setup'): string {
    return `${what} ${this.#transform} ${this.length}`;
  }

  #newTable(kind: 'real' | 'complex'): number {
    const factors = fftTables(this.length, kind);
    const place = this.#memory.malloc(factors.byteLength);
    this.#pffft.HEAPF32.set(factors, place >> 2);
    return place;
  }

  #newSetup(): number {
    return this.#memory.share(this.#key('setup'), () => {
      const setup = this.#pffft._pffft_new_setup(this.length, this.#transform);
      if (setup === 0) throw new SmEdgeError('FFT_MEMORY', `no plan for ${this.length} points`);
      return setup;
    });
  }

  #newView(): Float32Array {
    return this.#pffft.HEAPF32.subarray(this.#data >> 2, (this.#data >> 2) + this.#floats);
  }
}

/**
 * Transform of `length` real samples. The spectrum comes packed: data[0] is bin 0, data[1] is bin length/2 (both
 * real), then real and imaginary part of bins 1 to length/2 - 1.
 */
export class RealFft extends Plan {
  constructor(pffft: FftLibrary, length: number) {
    super(pffft, length, REAL);
  }
}

/** Transform of `length` complex samples, real and imaginary parts interleaved. */
export class ComplexFft extends Plan {
  constructor(pffft: FftLibrary, length: number) {
    super(pffft, length, COMPLEX);
  }

  /** Numbers [from, from + count) of a spectrum packed as `RealFft` gives it, then zeros, as the input. */
  load(packed: Float32Array, from: number, count: number): void {
    const { data } = this;
    const heap = this.heap;
    // Within one memory without a view of the piece: this runs for every band of every block.
    if (packed.buffer === heap.buffer) {
      const source = (packed.byteOffset >> 2) + 2 * from;
      heap.copyWithin(data.byteOffset >> 2, source, source + 2 * count);
    } else data.set(packed.subarray(2 * from, 2 * (from + count)));
    data.fill(0, 2 * count);
  }

  /** Sums of e and e² of the squared magnitudes e of numbers [from, to), into `sums`. */
  magnitudeSums(from: number, to: number, sums: Float64Array): void {
    if (!this.reduceMagnitudes(from, to, sums)) magnitudeSums(this.data, from, to, sums);
  }
}
