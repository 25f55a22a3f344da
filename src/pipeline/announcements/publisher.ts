import type { Clock } from '../../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { type RetryContext, type RetrySchedule, retry } from '../../base/retry.js';
import type { EventBus, EventDraft } from '../../events/bus.js';
import type { GatewayEvent } from '../../events/event.js';
import type { Store, WriteBatch } from '../../storage/store.js';

export interface PublisherDeps {
  readonly bus: EventBus;
  readonly store: Pick<Store, 'write'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** The state that is written in one commit with the events that announce it. */
export type EventState = Pick<WriteBatch, 'alarmStates' | 'documents'>;

interface Waiting {
  readonly drafts: readonly EventDraft[];
  readonly state: EventState;
  resolve(events: readonly GatewayEvent[]): void;
  reject(error: SmEdgeError): void;
}

/** A store on a full disk refuses at once, so asking often costs little, and events come soon after there is room. */
const RETRY: RetrySchedule = { initialMs: 500, maxMs: 5_000, factor: 2, jitter: 0.3, limit: Infinity };
/** Publications that wait for a disk that is full; more than this are no rare facts any more. */
const MAX_WAITING = 1_000;
/** Publications in one commit. */
const MAX_TOGETHER = 200;

/**
 * Journals events in the order in which they happened: one commit at a time, with all that came meanwhile in the next.
 * Where a disk is full the later ones wait behind the first, so that neither an event nor a state overtakes another.
 */
export class Publisher {
  readonly #bus: EventBus;
  readonly #store: Pick<Store, 'write'>;
  readonly #clock: Clock;
  readonly #retry: RetryContext;
  readonly #abort = new AbortController();
  #waiting: Waiting[] = [];
  #running = false;

  constructor({ bus, store, clock, random }: PublisherDeps) {
    this.#bus = bus;
    this.#store = store;
    this.#clock = clock;
    this.#retry = { clock, random, schedule: RETRY, name: 'publish events', signal: this.#abort.signal };
  }

  /** Gives up what the store still refuses. */
  stop(): void {
    this.#abort.abort();
  }

  /**
   * Resolves once the events are on disk together with the state.
   * @throws SmEdgeError `EVENTS_FULL`; what the store says where it can never take them
   */
  publish(drafts: readonly EventDraft[], state: EventState = {}): Promise<readonly GatewayEvent[]> {
    if (this.#waiting.length >= MAX_WAITING) {
      const error = new SmEdgeError('EVENTS_FULL', `${MAX_WAITING} events already wait for the disk`, {
        hint: 'free space on the disk of storage.path',
      });
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      // Dated now: a full disk may hold it up for hours.
      const time = new Date(this.#clock.nowMs()).toISOString();
      const dated = drafts.map((draft) => ({ time, ...draft }));
      this.#waiting.push({ drafts: dated, state, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // What happens in the same turn goes into the first commit together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, MAX_TOGETHER);
      try {
        const events = await this.#commit(taken);
        let from = 0;
        for (const { drafts, resolve } of taken) {
          resolve(events.slice(from, from + drafts.length));
          from += drafts.length;
        }
      } catch {
        // One of them can never be written: only that one fails.
        for (const waiting of taken) {
          await this.#commit([waiting]).then(waiting.resolve, (thrown) =>
            waiting.reject(toSmEdgeError(thrown)),
          );
        }
      }
    }
    this.#running = false;
  }

  #commit(taken: readonly Waiting[]): Promise<readonly GatewayEvent[]> {
    const drafts = taken.flatMap((waiting) => waiting.drafts);
    return retry(this.#retry, () =>
      this.#bus.publish(drafts, (events) => {
        const states = taken.map(({ state }) => state);
        return this.#store.write({
          events,
          alarmStates: states.flatMap(({ alarmStates = [] }) => alarmStates),
          documents: states.flatMap(({ documents = [] }) => documents),
        });
      }),
    );
  }
}
