/** What a full queue does with one more item. */
export type OverflowPolicy = 'discard-oldest' | 'discard-newest';

/** A first-in first-out queue that never grows past its capacity and counts what it dropped. */
export class BoundedQueue<T> {
  readonly name: string;
  readonly capacity: number;
  readonly policy: OverflowPolicy;
  #items: (T | undefined)[];
  #head = 0;
  #length = 0;
  #dropped = 0;

  constructor(name: string, capacity: number, policy: OverflowPolicy) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError(`queue ${name}: capacity ${capacity}`);
    this.name = name;
    this.capacity = capacity;
    this.policy = policy;
    this.#items = new Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Items discarded since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  get isFull(): boolean {
    return this.#length === this.capacity;
  }

  /** Puts an item in; returns the item that was discarded for it (which may be `item` itself), if any. */
  push(item: T): T | undefined {
    let discarded: T | undefined;
    if (this.isFull) {
      this.#dropped++;
      if (this.policy === 'discard-newest') return item;
      discarded = this.shift();
    }
    this.#items[(this.#head + this.#length) % this.capacity] = item;
    this.#length++;
    return discarded;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.capacity;
    this.#length--;
    return item;
  }

  /** Takes everything out, oldest first. */
  drain(): T[] {
    const items: T[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    return items;
  }
}
