import type { Random } from '../base/random.js';

/** What can be wrong with a line that carries frames: each as the share of frames that it hits, 0 to 1. */
export const FRAME_TROUBLES = ['garbage', 'corrupt', 'lose', 'split', 'twice'] as const;
export type FrameTrouble = (typeof FRAME_TROUBLES)[number];

/** Most garbage between two frames, bytes. */
const MAX_GARBAGE_BYTES = 64;

/** Spoils frames on their way: the bytes that come out are what a receiver sees. */
export class FrameTroubles {
  readonly #shares = new Map<FrameTrouble, number>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  set(trouble: FrameTrouble, share: number): void {
    if (share > 0) this.#shares.set(trouble, Math.min(1, share));
    else this.#shares.delete(trouble);
  }

  clear(): void {
    this.#shares.clear();
  }

  list(): string[] {
    return [...this.#shares].map(([trouble, share]) => `${trouble} ${Number(share.toFixed(3))}`);
  }

  /** The pieces that are written for one frame; none where it is lost. */
  pieces(frame: Uint8Array): Uint8Array[] {
    if (this.#shares.size === 0) return [frame];
    if (this.#hits('lose')) return [];
    let bytes = frame;
    if (this.#hits('corrupt') && frame.length > 0) {
      bytes = Uint8Array.from(frame);
      const at = Math.floor(this.#random() * bytes.length);
      bytes[at]! ^= 1 << Math.floor(this.#random() * 8);
    }
    const pieces = this.#hits('split') ? this.#split(bytes) : [bytes];
    if (this.#hits('twice')) pieces.push(bytes);
    if (this.#hits('garbage')) pieces.unshift(this.#garbage());
    return pieces;
  }

  #hits(trouble: FrameTrouble): boolean {
    const share = this.#shares.get(trouble);
    return share !== undefined && this.#random() < share;
  }

  #split(bytes: Uint8Array): Uint8Array[] {
    const at = Math.floor(this.#random() * bytes.length);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }

  #garbage(): Uint8Array {
    const length = 1 + Math.floor(this.#random() * MAX_GARBAGE_BYTES);
    return Uint8Array.from({ length }, () => Math.floor(this.#random() * 256));
  }
}

/** What is wrong with the Modbus units. */
export class UnitTroubles {
  /** Units that do not answer; `all` is every one. */
  readonly #silent = new Set<number | 'all'>();
  readonly #exceptions = new Map<number | 'all', number>();
  lateMs = 0;

  silence(unit: number | 'all'): void {
    this.#silent.add(unit);
  }

  except(unit: number | 'all', code: number): void {
    this.#exceptions.set(unit, code);
  }

  clear(): void {
    this.#silent.clear();
    this.#exceptions.clear();
    this.lateMs = 0;
  }

  list(): string[] {
    return [
      ...[...this.#silent].map((unit) => `silent ${unit}`),
      ...[...this.#exceptions].map(([unit, code]) => `exception ${code} ${unit}`),
      ...(this.lateMs > 0 ? [`late ${this.lateMs}ms`] : []),
    ];
  }

  isSilent(unit: number): boolean {
    return this.#silent.has('all') || this.#silent.has(unit);
  }

  exceptionOf(unit: number): number | undefined {
    return this.#exceptions.get(unit) ?? this.#exceptions.get('all');
  }
}
