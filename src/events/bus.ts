import { type Clock, sleep } from '../base/clock.js';
import { toErrorRecord, toSmEdgeError } from '../base/errors.js';
import type { NewId } from '../base/ids.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import type { EventType, GatewayEvent } from './event.js';
import type { EventJournal, JournaledEvent } from './journal.js';

/** An event as the publisher knows it; the bus adds id, time and gateway. */
export interface EventDraft {
  readonly type: EventType;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface Subscription {
  /** Durable name: the cursor is kept under it. */
  readonly name: string;
  /** All types where missing. */
  readonly types?: readonly EventType[];
  /** May be called again with the same event after a crash: look at `event.id`. */
  handler(event: GatewayEvent): Promise<void>;
  readonly retry?: RetrySchedule;
}

export interface EventBusDeps {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: NewId;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly journal: EventJournal;
}

/** Journals events, with what else has to change in the same commit. Handed in by the composition root. */
export type Commit = (events: readonly GatewayEvent[]) => Promise<void>;

const RETRY: RetrySchedule = { initialMs: 500, maxMs: 60_000, factor: 2, jitter: 0.5, limit: 8 };
const BATCH = 100;
/** A subscriber looks into the journal at least this often, should a wake-up be lost, milliseconds. */
const IDLE_MS = 5_000;
/** While the journal itself cannot be read. */
const JOURNAL_RETRY_MS = 1_000;

interface Running {
  wake(): void;
  readonly done: Promise<void>;
}

/**
 * Facts that somebody must act on. Each is on disk before anybody hears of it; each subscriber gets it at least once,
 * in order, from where it stood before a restart. What a subscriber cannot take goes to the dead letters.
 */
export class EventBus {
  readonly #deps: EventBusDeps;
  readonly #abort = new AbortController();
  readonly #running: Running[] = [];
  readonly #metrics;

  constructor(deps: EventBusDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#metrics = {
      published: metrics.counter('sm_edge_events_published_total', 'Events journaled, by type.', ['type']),
      delivered: metrics.counter('sm_edge_events_delivered_total', 'Events taken by a subscriber.', [
        'subscriber',
      ]),
      failed: metrics.counter('sm_edge_events_failed_total', 'Deliveries that failed and were retried.', [
        'subscriber',
      ]),
      dead: metrics.counter('sm_edge_events_dead_total', 'Events put to the dead letters.', ['subscriber']),
      lag: metrics.gauge('sm_edge_events_lag', 'Events between a subscriber and the end of the journal.', [
        'subscriber',
      ]),
    };
  }

  /** Resolves once the events are on disk; delivery goes on behind it. */
  async publish(drafts: readonly EventDraft[], commit: Commit): Promise<readonly GatewayEvent[]> {
    const { newId, clock, gatewayId } = this.#deps;
    const events = drafts.map(
      (draft): GatewayEvent => ({
        id: newId(),
        version: 1,
        time: new Date(clock.nowMs()).toISOString(),
        gatewayId,
        ...draft,
      }),
    );
    await commit(events);
    for (const { type } of events) this.#metrics.published.inc({ type });
    for (const subscriber of this.#running) subscriber.wake();
    return events;
  }

  /** Starts to deliver. A subscriber that was never there begins with what is published from now on. */
  async subscribe(subscription: Subscription): Promise<void> {
    const { journal } = this.#deps;
    let cursor = await journal.cursor(subscription.name);
    if (cursor === undefined) {
      cursor = await journal.head();
      await journal.advance(subscription.name, cursor);
    }
    let wake = () => {};
    const woken = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    this.#running.push({ wake: () => wake(), done: this.#deliver(subscription, cursor, woken) });
  }

  /** Ends delivery; the handler under way may finish. */
  async stop(): Promise<void> {
    this.#abort.abort();
    for (const subscriber of this.#running) subscriber.wake();
    await Promise.all(this.#running.map(({ done }) => done));
  }

  async #deliver(subscription: Subscription, from: number, woken: () => Promise<void>): Promise<void> {
    const { clock, journal, logger } = this.#deps;
    const { name } = subscription;
    const { signal } = this.#abort;
    let cursor = from;
    while (!signal.aborted) {
      const wakeUp = woken();
      try {
        const batch = await journal.read(cursor, BATCH);
        for (const journaled of batch) {
          if (signal.aborted) return;
          if (!(await this.#handOver(subscription, journaled))) return;
          cursor = journaled.seq;
        }
        this.#metrics.lag.set({ subscriber: name }, Math.max(0, (await journal.head()) - cursor));
        if (batch.length > 0) continue;
        await Promise.race([wakeUp, sleep(clock, `events for ${name}`, IDLE_MS, signal)]);
      } catch (thrown) {
        logger.warn({ subscriber: name, error: toErrorRecord(thrown) }, 'the event journal cannot be read');
        await sleep(clock, `events for ${name}`, JOURNAL_RETRY_MS, signal);
      }
    }
  }

  /** True once the subscriber has taken the event, or it was buried; false when the bus stops first. */
  async #handOver(subscription: Subscription, journaled: JournaledEvent): Promise<boolean> {
    const { clock, random, journal, logger } = this.#deps;
    const { name, types, handler, retry = RETRY } = subscription;
    const { seq, event } = journaled;
    if (types !== undefined && !types.includes(event.type)) {
      await journal.advance(name, seq);
      return true;
    }
    for (let attempt = 0; ; attempt++) {
      try {
        await handler(event);
        await journal.advance(name, seq);
        this.#metrics.delivered.inc({ subscriber: name });
        return true;
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        this.#metrics.failed.inc({ subscriber: name });
        const delayMs = retryDelayMs(retry, attempt, random);
        if (delayMs === undefined) {
          logger.error(
            { subscriber: name, event: event.id, error: toErrorRecord(error) },
            'an event went to the dead letters',
          );
          await journal.bury(name, journaled, `${error.code}: ${error.message}`, clock.nowMs());
          this.#metrics.dead.inc({ subscriber: name });
          return true;
        }
        await sleep(clock, `retry of ${name}`, delayMs, this.#abort.signal);
        if (this.#abort.signal.aborted) return false;
      }
    }
  }
}
