import type { Clock } from '../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { NewId } from '../base/ids.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import type { EventCatalogue } from './catalogue.js';
import { Delivery, type Subscription } from './delivery.js';
import type { EventType, GatewayEvent } from './event.js';
import type { EventJournal } from './journal.js';

export type { Subscription } from './delivery.js';

/** An event as the publisher knows it; the bus adds id, time and gateway. */
export interface EventDraft {
  /** Where another draft of the same commit names this one as its cause. */
  readonly id?: string;
  /** When it happened, ISO 8601 UTC, where that is before it can be written. */
  readonly time?: string;
  readonly type: EventType;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface EventBusDeps {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: NewId;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly journal: EventJournal;
  /** Forms of the payloads; without one they are taken as they are. */
  readonly catalogue?: EventCatalogue;
}

/** Journals events, with what else has to change in the same commit. Handed in by the composition root. */
export type Commit = (events: readonly GatewayEvent[]) => Promise<void>;

/** Ends a subscription; its cursor stays, and the next one of its name goes on from there. */
export type Unsubscribe = () => Promise<void>;

/**
 * Facts that somebody must act on. Each is on disk before anybody hears of it; each subscriber gets it at least once,
 * in order, from where it stood before a restart. What a subscriber cannot take goes to the dead letters. Subscribers
 * know nothing of each other: one that hangs holds up nobody else.
 */
export class EventBus {
  readonly #deps: EventBusDeps;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #metrics;
  #stopped = false;

  constructor(deps: EventBusDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#metrics = {
      published: metrics.counter('sm_edge_events_published_total', 'Events journaled, by type.', ['type']),
      delivered: metrics.counter('sm_edge_events_delivered_total', 'Events taken by a subscriber.', [
        'subscriber',
      ]),
      failed: metrics.counter('sm_edge_events_failed_total', 'Deliveries that failed.', ['subscriber']),
      dead: metrics.counter('sm_edge_events_dead_total', 'Events put to the dead letters.', ['subscriber']),
      deadLetters: metrics.gauge('sm_edge_events_dead_letters', 'Dead letters that wait for a person.', [
        'subscriber',
      ]),
      lag: metrics.gauge('sm_edge_events_lag', 'Events between a subscriber and the end of the journal.', [
        'subscriber',
      ]),
    };
  }

  /**
   * Resolves once the events are on disk; delivery goes on behind it. Rejects as `commit` does, and nobody hears of them.
   * @throws SmEdgeError `EVENT_PAYLOAD` where a payload is not of its type's form: then none is published
   */
  async publish(drafts: readonly EventDraft[], commit: Commit): Promise<readonly GatewayEvent[]> {
    const { newId, clock, gatewayId, catalogue } = this.#deps;
    const events = drafts.map(
      (draft): GatewayEvent => ({
        id: newId(),
        version: catalogue?.check(draft.type, draft.payload) ?? 1,
        time: new Date(clock.nowMs()).toISOString(),
        gatewayId,
        ...draft,
      }),
    );
    await commit(events);
    for (const { id, type, correlationId, payload } of events) {
      this.#metrics.published.inc({ type });
      // The ids let a person follow one input through the log, the journal and what was sent upstream.
      const text = typeof payload.message === 'string' ? payload.message : type;
      this.#deps.logger.info({ event: id, type, correlationId }, text);
    }
    for (const delivery of this.#deliveries.values()) delivery.published(events.length);
    return events;
  }

  /**
   * Starts to deliver. A subscriber that was never there begins with what is published from now on. A second
   * subscription of the same name takes over from the first.
   * @throws SmEdgeError `BUS_STOPPED`; what the journal throws where it cannot be read
   */
  async subscribe(subscription: Subscription): Promise<Unsubscribe> {
    const { name } = subscription;
    if (this.#stopped) throw new SmEdgeError('BUS_STOPPED', `${name}: the event bus was stopped`);
    const { clock, random, logger, journal, catalogue } = this.#deps;
    const delivery = new Delivery(subscription, {
      clock,
      random,
      logger,
      journal,
      upcast: (event) => catalogue?.upcast(event) ?? event,
      onOutcome: (subscriber, outcome) => {
        this.#metrics[outcome].inc({ subscriber });
        if (outcome === 'dead') this.#metrics.deadLetters.inc({ subscriber });
      },
      onLag: (subscriber, events) => this.#metrics.lag.set({ subscriber }, events),
    });
    const former = this.#deliveries.get(name);
    this.#deliveries.set(name, delivery);
    const end = async () => {
      if (this.#deliveries.get(name) === delivery) this.#deliveries.delete(name);
      await delivery.stop();
    };
    try {
      await former?.stop();
      await delivery.start();
    } catch (thrown) {
      await end();
      throw thrown;
    }
    return end;
  }

  /**
   * Hands a dead letter to its subscriber once more; taken, it is gone, else it stays with the new error.
   * @throws SmEdgeError `DEAD_LETTER_UNKNOWN`, `DEAD_LETTER_HANDLER` where its subscriber is not there,
   * `DEAD_LETTER_FAILED` with what the subscriber said
   */
  async retryDeadLetter(id: number): Promise<void> {
    const { journal, clock } = this.#deps;
    const letter = await journal.deadLetter(id);
    if (letter === undefined) throw unknownLetter(id);
    const delivery = this.#deliveries.get(letter.subscriber);
    if (delivery === undefined) {
      throw new SmEdgeError('DEAD_LETTER_HANDLER', `nobody subscribes as ${letter.subscriber}`, {
        hint: 'its part is not configured any more: configure it again, or drop the event',
      });
    }
    try {
      await delivery.retry(letter.event);
    } catch (thrown) {
      const { code, message } = toSmEdgeError(thrown);
      const error = `${code}: ${message}`;
      await journal.retriedDeadLetter(id, error, clock.nowMs());
      throw new SmEdgeError('DEAD_LETTER_FAILED', `${letter.subscriber} did not take it: ${error}`, {
        cause: thrown,
        hint: 'remove the cause and try again, or drop the event',
      });
    }
    await journal.removeDeadLetter(id);
    this.#metrics.delivered.inc({ subscriber: letter.subscriber });
    await this.countDeadLetters();
  }

  /** @throws SmEdgeError `DEAD_LETTER_UNKNOWN` */
  async dropDeadLetter(id: number): Promise<void> {
    const letter = await this.#deps.journal.deadLetter(id);
    if (letter === undefined) throw unknownLetter(id);
    await this.#deps.journal.removeDeadLetter(id);
    const { subscriber, event } = letter;
    this.#deps.logger.warn({ subscriber, event: event.id, error: letter.error }, 'a dead letter was dropped');
    await this.countDeadLetters();
  }

  /** Shows the dead letters that wait, by subscriber, in the metrics. */
  async countDeadLetters(): Promise<void> {
    this.#metrics.deadLetters.reset();
    const counts = await this.#deps.journal.countDeadLetters();
    for (const [subscriber, letters] of Object.entries(counts))
      this.#metrics.deadLetters.set({ subscriber }, letters);
  }

  /** Ends delivery; handlers under way may finish within a grace of some seconds. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#deliveries.values()].map((delivery) => delivery.stop()));
  }
}

const unknownLetter = (id: number) =>
  new SmEdgeError('DEAD_LETTER_UNKNOWN', `there is no dead letter ${id}`, {
    hint: '"sm-edge dlq list" shows them',
  });
