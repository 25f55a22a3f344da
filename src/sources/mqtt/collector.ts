import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';
import type { SignalSink } from '../part.js';
import type { Decoded } from '../payloads/payload.js';
import { AckWindow } from './ack-window.js';

/** A group is handed over at the latest at this size; normally at the end of the current turn of the event loop. */
const MAX_GROUP_MESSAGES = 256;
const MAX_GROUP_BYTES = 1 << 20;

class Group<A> {
  readonly readings: Reading[] = [];
  readonly blocks: SampleBlock[] = [];
  readonly acks: A[] = [];
  messages = 0;
  bytes = 0;

  add(decoded: Decoded | undefined, bytes: number): void {
    this.messages++;
    this.bytes += bytes;
    if (decoded === undefined) return;
    for (const reading of decoded.readings) this.readings.push(reading);
    for (const block of decoded.blocks) this.blocks.push(block);
  }

  get isFull(): boolean {
    return this.messages >= MAX_GROUP_MESSAGES || this.bytes >= MAX_GROUP_BYTES;
  }

  get isEmpty(): boolean {
    return this.readings.length === 0 && this.blocks.length === 0;
  }
}

export interface CollectorEvents<A> {
  /** Acknowledgements that may go out, in the order of their messages. */
  release(acks: readonly A[]): void;
  /** A group was not stored: none of its messages, nor any later one, may be acknowledged. */
  refused(error: unknown): void;
  /** A group was handed over or settled: the window may have changed. */
  changed(): void;
}

/**
 * Puts the messages that arrive in one turn of the event loop into one delivery, so that thousands of small
 * messages a second cost the store a few batches, and lets their acknowledgements out when it has them.
 */
export class Collector<A> {
  readonly window: AckWindow<A>;
  readonly #sink: SignalSink;
  readonly #events: CollectorEvents<A>;
  #held = new Group<A>();
  #offered = new Group<A>();
  #scheduled = false;
  #closed = false;
  readonly #underWay = new Set<Promise<void>>();

  constructor(sink: SignalSink, events: CollectorEvents<A>) {
    this.#sink = sink;
    this.#events = events;
    this.window = new AckWindow((acks) => events.release(acks));
  }

  /** Messages taken and not yet acknowledged, those of the current turn included. */
  get heldMessages(): number {
    return this.window.messages + this.#held.messages;
  }

  get heldBytes(): number {
    return this.window.bytes + this.#held.bytes;
  }

  /** A message to be acknowledged once it is stored; nothing to store (undefined) is acknowledged in its turn. */
  hold(decoded: Decoded | undefined, bytes: number, ack: A): void {
    this.#held.add(decoded, bytes);
    this.#held.acks.push(ack);
    if (this.#held.isFull) this.#deliver();
    else this.#schedule();
  }

  /** A message that nobody waits for (QoS 0). */
  offer(decoded: Decoded | undefined, bytes: number): void {
    this.#offered.add(decoded, bytes);
    if (this.#offered.isFull) this.#offer();
    else this.#schedule();
  }

  /** Hands over what it holds at once and resolves when all deliveries under way are settled. */
  async drain(): Promise<void> {
    this.#flush();
    await Promise.all(this.#underWay);
  }

  /** Lets no acknowledgement out any more: the link that they belong to is gone. */
  close(): void {
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#offer();
    this.#deliver();
  }

  #offer(): void {
    const group = this.#offered;
    if (group.messages === 0) return;
    this.#offered = new Group();
    if (!group.isEmpty) this.#sink.offer({ readings: group.readings, blocks: group.blocks });
    this.#events.changed();
  }

  #deliver(): void {
    const group = this.#held;
    if (group.messages === 0 || this.#closed) return;
    this.#held = new Group();
    const settled = this.window.hold(group);
    if (group.isEmpty) {
      settled();
      this.#events.changed();
      return;
    }
    const delivery = this.#sink.deliver({ readings: group.readings, blocks: group.blocks }).then(
      () => {
        if (!this.#closed) settled();
      },
      (error) => {
        if (!this.#closed) this.#events.refused(error);
      },
    );
    const done = delivery.then(() => {
      this.#underWay.delete(done);
      if (!this.#closed) this.#events.changed();
    });
    this.#underWay.add(done);
    this.#events.changed();
  }
}
