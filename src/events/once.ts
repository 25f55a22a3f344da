import type { GatewayEvent } from './event.js';

/** Says that a subscriber took an event; written in one commit with what the event made it change. */
export interface ConsumedMark {
  readonly subscriber: string;
  readonly eventId: string;
}

/** Where the marks are kept. The journal is one. */
export interface ConsumedMarks {
  isConsumed(subscriber: string, eventId: string): Promise<boolean>;
}

/**
 * Makes a handler whose effects are in the store take each event once, though it is delivered at least once: the
 * handler writes `mark` in the same commit as its effects (`store.write({ …, consumed: [mark] })`), and an event whose
 * mark is there is passed over. Events reach a subscriber one after the other, so nothing comes between the two.
 *
 * For effects outside the store (a mail, a request) hand `event.id` on as the idempotency key.
 */
export function once(
  subscriber: string,
  marks: ConsumedMarks,
  handler: (event: GatewayEvent, mark: ConsumedMark) => Promise<void>,
): (event: GatewayEvent) => Promise<void> {
  return async (event) => {
    if (await marks.isConsumed(subscriber, event.id)) return;
    await handler(event, { subscriber, eventId: event.id });
  };
}
