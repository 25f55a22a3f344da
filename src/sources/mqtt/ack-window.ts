/**
 * Acknowledgements in the order in which the messages came [MQTT-4.6.0-2], [MQTT-4.6.0-3], each only once its
 * group is settled. The window is what was taken from the broker and not yet acknowledged.
 */
export interface AckGroup<A> {
  readonly acks: readonly A[];
  readonly messages: number;
  readonly bytes: number;
}

interface Held<A> extends AckGroup<A> {
  settled: boolean;
}

export class AckWindow<A> {
  readonly #groups: Held<A>[] = [];
  readonly #release: (acks: readonly A[]) => void;
  #messages = 0;
  #bytes = 0;

  /** `release` gets the acknowledgements that may go out now, in order. */
  constructor(release: (acks: readonly A[]) => void) {
    this.#release = release;
  }

  /** Messages that wait for their acknowledgement. */
  get messages(): number {
    return this.#messages;
  }

  /** Payload bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Holds a group; call the answer once when it is settled. */
  hold(group: AckGroup<A>): () => void {
    const held: Held<A> = { ...group, settled: false };
    this.#groups.push(held);
    this.#messages += group.messages;
    this.#bytes += group.bytes;
    return () => {
      held.settled = true;
      this.#drain();
    };
  }

  #drain(): void {
    const due: A[] = [];
    while (this.#groups[0]?.settled === true) {
      const group = this.#groups.shift()!;
      this.#messages -= group.messages;
      this.#bytes -= group.bytes;
      for (const ack of group.acks) due.push(ack);
    }
    if (due.length > 0) this.#release(due);
  }
}
