import type { EventBus } from '../../events/bus.js';
import { EventCatalogue } from '../../events/catalogue.js';
import type { GatewayEvent } from '../../events/event.js';
import type { DeadLetter, EventJournal } from '../../events/journal.js';
import type { EventQuery } from '../../events/query.js';

/** An event with its place in the journal: what the next question begins behind. */
export interface ListedEvent extends GatewayEvent {
  readonly seq: number;
}

export interface DeadLetterFilter {
  readonly subscriber?: string;
  readonly limit: number;
}

export interface EventDeskDeps {
  readonly journal: EventJournal;
  readonly bus: EventBus;
}

/** Where people look into the journal and deal with what could not be delivered. */
export class EventDesk {
  readonly #journal: EventJournal;
  readonly #bus: EventBus;
  readonly #catalogue = new EventCatalogue();

  constructor({ journal, bus }: EventDeskDeps) {
    this.#journal = journal;
    this.#bus = bus;
  }

  /** Oldest first, in the present form; what cannot be brought into it is shown as it was journaled. */
  async list(query: EventQuery): Promise<ListedEvent[]> {
    const found = await this.#journal.find(query);
    return found.map(({ seq, event }) => ({ seq, ...this.#present(event) }));
  }

  deadLetters({ subscriber, limit }: DeadLetterFilter): Promise<readonly DeadLetter[]> {
    return this.#journal.deadLetters(limit, subscriber);
  }

  deadLetter(id: number): Promise<DeadLetter | undefined> {
    return this.#journal.deadLetter(id);
  }

  /** @throws SmEdgeError `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_HANDLER`, `DEAD_LETTER_FAILED` */
  retry(id: number): Promise<void> {
    return this.#bus.retryDeadLetter(id);
  }

  /** @throws SmEdgeError `DEAD_LETTER_UNKNOWN` */
  drop(id: number): Promise<void> {
    return this.#bus.dropDeadLetter(id);
  }

  #present(event: GatewayEvent): GatewayEvent {
    try {
      return this.#catalogue.upcast(event);
    } catch {
      return event;
    }
  }
}
