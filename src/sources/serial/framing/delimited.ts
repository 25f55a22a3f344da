import { type Deframer, noFaults } from './framing.js';

/** What a frame between two delimiters is worth: its payload, or why it is none. */
export type Unwrap = (frame: Buffer) => Buffer | 'check' | 'encoding' | 'empty';

/**
 * Frames between delimiters. What comes before the first delimiter is dropped: it is the end of a frame whose start
 * nobody saw, and "3.4" may have been "123.4".
 */
export class DelimitedDeframer implements Deframer {
  readonly faults = noFaults();
  garbageBytes = 0;
  readonly #delimiter: Buffer;
  readonly #maxBytes: number;
  readonly #unwrap: Unwrap;
  #pending: Buffer = Buffer.alloc(0);
  /** Between the delimiters of a frame that we saw the start of. */
  #synchronised = false;

  constructor(delimiter: Buffer, maxBytes: number, unwrap: Unwrap) {
    this.#delimiter = delimiter;
    this.#maxBytes = maxBytes;
    this.#unwrap = unwrap;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Buffer): Buffer[] {
    const payloads: Buffer[] = [];
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    // A delimiter may have begun at the end of what was searched before.
    let from = Math.max(0, this.#pending.length - this.#delimiter.length + 1);
    for (;;) {
      const at = rest.indexOf(this.#delimiter, from);
      if (at < 0) break;
      this.#take(rest.subarray(0, at), payloads);
      rest = rest.subarray(at + this.#delimiter.length);
      from = 0;
    }
    if (rest.length > this.#maxBytes) {
      // No delimiter in sight: all of it is lost, but for what may be the start of one.
      const keep = this.#delimiter.length - 1;
      if (this.#synchronised) this.faults.length++;
      this.#synchronised = false;
      this.garbageBytes += rest.length - keep;
      rest = rest.subarray(rest.length - keep);
    }
    this.#pending = Buffer.from(rest);
    return payloads;
  }

  #take(frame: Buffer, payloads: Buffer[]): void {
    if (!this.#synchronised) {
      this.#synchronised = true;
      this.garbageBytes += frame.length;
      return;
    }
    if (frame.length > this.#maxBytes) {
      this.faults.length++;
      this.garbageBytes += frame.length;
      return;
    }
    const payload = this.#unwrap(frame);
    if (payload === 'empty') return;
    if (typeof payload === 'string') {
      this.faults[payload]++;
      this.garbageBytes += frame.length;
    } else payloads.push(Buffer.from(payload));
  }
}
