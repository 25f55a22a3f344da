import type { Reading } from '../../signals/reading.js';
import type { OverloadPolicy } from './config.js';

/** Readings that wait for the store: a bounded queue of which each point's policy says what gives way. */
export class WaitingReadings {
  readonly #capacity: number;
  readonly #policyOf: (point: string) => OverloadPolicy;
  readonly #onDropped: (policy: OverloadPolicy, count: number) => void;
  #waiting: Reading[] = [];

  constructor(
    capacity: number,
    policyOf: (point: string) => OverloadPolicy,
    onDropped: (policy: OverloadPolicy, count: number) => void,
  ) {
    this.#capacity = capacity;
    this.#policyOf = policyOf;
    this.#onDropped = onDropped;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(readings: readonly Reading[]): void {
    for (const reading of readings) {
      if (this.#waiting.length >= this.#capacity && !this.#makeRoom(reading)) continue;
      this.#waiting.push(reading);
    }
  }

  /** The oldest, at most `count`. */
  take(count: number): Reading[] {
    return this.#waiting.splice(0, count);
  }

  /** Back to the front, where they came from; what does not fit any more goes by the policies. */
  putBack(readings: readonly Reading[]): void {
    const behind = this.#waiting;
    this.#waiting = [...readings];
    this.push(behind);
  }

  /** True where there is room for `incoming` now. Room is made for many at once, so that the cost is spread. */
  #makeRoom(incoming: Reading): boolean {
    const policy = this.#policyOf(incoming.point);
    if (policy === 'discard-newest') {
      this.#onDropped(policy, 1);
      return false;
    }
    const before = this.#waiting.length;
    if (policy === 'reduce-fidelity') this.#thin();
    else this.#dropOldest(Math.ceil(this.#capacity / 16));
    const dropped = before - this.#waiting.length;
    this.#onDropped(policy, dropped);
    if (dropped > 0) return true;
    // Only readings that must stay are waiting.
    this.#onDropped(policy, 1);
    return false;
  }

  #dropOldest(count: number): void {
    let left = count;
    this.#waiting = this.#waiting.filter(
      ({ point }) => left <= 0 || this.#policyOf(point) === 'discard-newest' || left-- <= 0,
    );
  }

  /** Every second reading of each point goes; the first and the last of a point stay, and what is not good. */
  #thin(): void {
    const seen = new Map<string, number>();
    const last = new Map<string, Reading>();
    for (const reading of this.#waiting) last.set(reading.point, reading);
    this.#waiting = this.#waiting.filter((reading) => {
      const { point, quality } = reading;
      if (this.#policyOf(point) !== 'reduce-fidelity') return true;
      const index = seen.get(point) ?? 0;
      seen.set(point, index + 1);
      return index % 2 === 0 || quality !== 'good' || last.get(point) === reading;
    });
  }
}
