/**
 * Bounds for what the embedded broker keeps in memory. aedes has none: a persistent session whose client never
 * comes back would collect every waveform until the gateway dies.
 */

/** Messages and payload bytes that wait for one absent or slow client. */
export const MAX_QUEUED_MESSAGES = 1_000;
export const MAX_QUEUED_BYTES = 8 << 20;
/** Sessions that are kept for absent clients; further clients get one for as long as they are connected. */
export const MAX_SESSIONS = 500;
/** Retained messages, and the bytes of them all. */
export const MAX_RETAINED_MESSAGES = 10_000;
export const MAX_RETAINED_BYTES = 16 << 20;
/** Subscriptions of one client. */
export const MAX_SUBSCRIPTIONS = 1_000;

interface QueuedPacket {
  readonly payload: string | Buffer;
}

interface SessionSubscription {
  readonly clientId: string;
}

/** What the limits need of an aedes persistence. */
export interface QueuePersistence {
  outgoingEnqueueCombi(subscriptions: SessionSubscription[], packet: QueuedPacket): Promise<void>;
  outgoingClearMessageId(client: { readonly id: string }, packet: unknown): Promise<QueuedPacket | undefined>;
}

/** Stops the queues of sessions from growing past their bounds; `onDropped` is told of every message left out. */
export function limitQueues(persistence: QueuePersistence, onDropped: () => void): void {
  const queues = new Map<string, { messages: number; bytes: number }>();
  const enqueue = persistence.outgoingEnqueueCombi.bind(persistence);
  const clear = persistence.outgoingClearMessageId.bind(persistence);

  persistence.outgoingEnqueueCombi = (subscriptions, packet) => {
    const bytes = packet.payload.length;
    const taken = subscriptions.filter(({ clientId }) => {
      const queue = queues.get(clientId) ?? { messages: 0, bytes: 0 };
      if (queue.messages >= MAX_QUEUED_MESSAGES || queue.bytes + bytes > MAX_QUEUED_BYTES) {
        onDropped();
        return false;
      }
      queues.set(clientId, { messages: queue.messages + 1, bytes: queue.bytes + bytes });
      return true;
    });
    return enqueue(taken, packet);
  };
  persistence.outgoingClearMessageId = async (client, packet) => {
    const cleared = await clear(client, packet);
    const queue = queues.get(client.id);
    if (cleared !== undefined && queue !== undefined) {
      if (queue.messages <= 1) queues.delete(client.id);
      else {
        queue.messages--;
        queue.bytes -= cleared.payload.length;
      }
    }
    return cleared;
  };
}

/** Counts retained messages. */
export class RetainedLimit {
  readonly #bytes = new Map<string, number>();
  #total = 0;

  /** Whether a retained message may be kept; an empty payload removes the one of its topic [MQTT-3.3.1-10]. */
  admit(topic: string, bytes: number): boolean {
    const known = this.#bytes.get(topic);
    if (bytes === 0) {
      this.#bytes.delete(topic);
      this.#total -= known ?? 0;
      return true;
    }
    const total = this.#total - (known ?? 0) + bytes;
    if (total > MAX_RETAINED_BYTES) return false;
    if (known === undefined && this.#bytes.size >= MAX_RETAINED_MESSAGES) return false;
    this.#bytes.set(topic, bytes);
    this.#total = total;
    return true;
  }
}

/** Decides whose session is kept. */
export class SessionLimit {
  readonly #kept = new Set<string>();

  admit(clientId: string, clean: boolean): boolean {
    if (clean) {
      this.#kept.delete(clientId);
      return false;
    }
    if (!this.#kept.has(clientId) && this.#kept.size >= MAX_SESSIONS) return false;
    this.#kept.add(clientId);
    return true;
  }
}
