import { type Clock, sleep } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { toErrorRecord, toSmEdgeError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Random } from '../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import type { EventType, GatewayEvent } from './event.js';
import type { EventJournal, JournaledEvent } from './journal.js';

export interface Subscription {
  /** Durable name: the cursor is kept under it. */
  readonly name: string;
  /** All types where missing. */
  readonly types?: readonly EventType[];
  /** May be called again with the same event after a crash: look at `event.id`. */
  handler(event: GatewayEvent): Promise<void>;
  /** A handler that takes longer counts as failed, milliseconds; one minute where missing. */
  readonly timeoutMs?: number;
  /** Every failure is retried after it, whatever it is; past its limit the event goes to the dead letters. */
  readonly retry?: RetrySchedule;
}

export interface DeliveryDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly journal: EventJournal;
  /** The event in the form that handlers know. @throws SmEdgeError `EVENT_PAYLOAD`: it goes to the dead letters at once */
  readonly upcast: (event: GatewayEvent) => GatewayEvent;
  /** Told about each delivery, for the metrics. */
  readonly onOutcome: (subscriber: string, outcome: 'delivered' | 'failed' | 'dead') => void;
  readonly onLag: (subscriber: string, events: number) => void;
}

const RETRY: RetrySchedule = { initialMs: 500, maxMs: 60_000, factor: 2, jitter: 0.5, limit: 8 };
const HANDLER_TIMEOUT_MS = 60_000;
/** While the journal itself cannot be read or written. */
const JOURNAL_RETRY: RetrySchedule = {
  initialMs: 1_000,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.3,
  limit: Number.POSITIVE_INFINITY,
};
const BATCH = 100;
/** The cursor on disk is not known, or not there. */
const UNSAVED = -1;
/** A subscriber looks into the journal at least this often, should a wake-up be lost, milliseconds. */
const IDLE_MS = 5_000;
/** A handler under way may take this long to finish when delivery stops, milliseconds. */
const STOP_TIMEOUT_MS = 5_000;

/** Hands the journal's events to one subscriber, one after the other. */
export class Delivery {
  readonly #subscription: Subscription;
  readonly #deps: DeliveryDeps;
  readonly #abort = new AbortController();
  /** Everything up to here was taken, or buried. */
  #cursor = 0;
  /** The cursor as it is on disk; it follows a commit behind. */
  #durable = 0;
  /** The newest event known of. */
  #head = 0;
  #woken = false;
  #endPause: () => void = () => undefined;
  #saving: Promise<void> | undefined;
  /** The newest call of the handler. */
  #calling: Promise<void> = Promise.resolve();
  #done: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(subscription: Subscription, deps: DeliveryDeps) {
    this.#subscription = subscription;
    this.#deps = deps;
  }

  /** Begins where the subscriber stood, or, for one that was never there, behind the newest event. */
  async start(): Promise<void> {
    const { journal, logger } = this.#deps;
    const { name } = this.#subscription;
    this.#head = await journal.head();
    this.#cursor = (await journal.cursor(name)) ?? this.#head;
    // Also for one that is known: storage forgets subscribers that never come back.
    this.#durable = UNSAVED;
    try {
      await journal.advance(name, this.#cursor);
      this.#durable = this.#cursor;
    } catch (thrown) {
      const error = toSmEdgeError(thrown);
      // A gateway on a disk that is full or read-only starts: the cursor is saved when the disk takes data again.
      if (!error.retryable) throw error;
      logger.warn({ subscriber: name, error: toErrorRecord(error) }, 'a cursor could not be saved yet');
    }
    this.#tellLag();
    if (!this.#abort.signal.aborted) this.#done = this.#run();
  }

  /** There are this many more events. */
  published(count: number): void {
    this.#head += count;
    this.#tellLag();
    this.#wake();
  }

  /** Ends delivery; a handler under way may finish within its grace, and is given up then. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    this.#wake();
    const ended = this.#done.then(() => this.#saving);
    const what = `end of ${this.#subscription.name}`;
    await withDeadline(this.#deps.clock, what, STOP_TIMEOUT_MS, ended).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock, random, journal, logger } = this.#deps;
    const { name } = this.#subscription;
    const { signal } = this.#abort;
    let failures = 0;
    while (!signal.aborted) {
      this.#woken = false;
      try {
        const batch = await journal.read(this.#cursor, BATCH);
        for (const journaled of batch) {
          if (signal.aborted || !(await this.#handOver(journaled))) return;
        }
        failures = 0;
        if (batch.length === 0 && !(await this.#journalBeganAnew())) await this.#pause(IDLE_MS);
      } catch (thrown) {
        if (signal.aborted) return;
        logger.warn(
          { subscriber: name, error: toErrorRecord(thrown) },
          'the event journal cannot be used; delivery waits',
        );
        const delayMs = retryDelayMs(JOURNAL_RETRY, failures++, random)!;
        await sleep(clock, `journal of ${name}`, delayMs, signal);
      }
    }
  }

  /** A damaged database is replaced by a new one, in which the events count from 1 again. */
  async #journalBeganAnew(): Promise<boolean> {
    this.#head = await this.#deps.journal.head();
    if (this.#head < this.#cursor) {
      this.#deps.logger.warn({ subscriber: this.#subscription.name }, 'the event journal began anew');
      this.#cursor = 0;
      this.#durable = 0;
      return true;
    }
    this.#moveTo(this.#cursor);
    return false;
  }

  /** True once the subscriber has taken the event, or it was buried; false when delivery stops first. */
  async #handOver(journaled: JournaledEvent): Promise<boolean> {
    const { clock, random, journal, logger, onOutcome } = this.#deps;
    const { name, types, retry = RETRY } = this.#subscription;
    const { signal } = this.#abort;
    const { seq, event } = journaled;
    if (types !== undefined && !types.includes(event.type)) {
      this.#moveTo(seq);
      return true;
    }
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#call(event);
        onOutcome(name, 'delivered');
        this.#moveTo(seq);
        return true;
      } catch (thrown) {
        const error = toSmEdgeError(thrown);
        onOutcome(name, 'failed');
        const delayMs = error.code === 'EVENT_PAYLOAD' ? undefined : retryDelayMs(retry, attempt, random);
        if (delayMs === undefined) {
          // A save of the cursor that is under way would put it back behind the burial.
          await this.#saving;
          await journal.bury(name, journaled, `${error.code}: ${error.message}`, clock.nowMs());
          logger.error(
            { subscriber: name, event: event.id, error: toErrorRecord(error) },
            'an event went to the dead letters',
          );
          onOutcome(name, 'dead');
          this.#moveTo(seq);
          return true;
        }
        await sleep(clock, `retry of ${name}`, delayMs, signal);
        if (signal.aborted) return false;
      }
    }
  }

  /** Hands over an event out of its turn, between two others. @throws whatever the handler throws */
  retry(event: GatewayEvent): Promise<void> {
    return this.#call(event);
  }

  /** One event at a time, whoever asks for it. */
  #call(event: GatewayEvent): Promise<void> {
    const { clock, upcast } = this.#deps;
    const { name, handler, timeoutMs = HANDLER_TIMEOUT_MS } = this.#subscription;
    const called = this.#calling.then(() =>
      withDeadline(
        clock,
        `handler of ${name}`,
        timeoutMs,
        callHandler(() => handler(upcast(event))),
      ),
    );
    this.#calling = called.catch(() => undefined);
    return called;
  }

  #moveTo(seq: number): void {
    this.#cursor = seq;
    this.#tellLag();
    if (this.#durable !== seq) this.#saving ??= this.#saveCursor();
  }

  /**
   * One save at a time, of the newest cursor: a flood of events costs few writes. What was delivered but not saved when
   * the power goes is delivered again. A save that fails is tried again with the next event or when idle.
   */
  async #saveCursor(): Promise<void> {
    try {
      while (this.#durable !== this.#cursor) {
        const cursor = this.#cursor;
        await this.#deps.journal.advance(this.#subscription.name, cursor);
        this.#durable = cursor;
      }
    } catch (thrown) {
      this.#deps.logger.debug(
        { subscriber: this.#subscription.name, error: toErrorRecord(thrown) },
        'a cursor could not be saved',
      );
    } finally {
      this.#saving = undefined;
    }
  }

  #tellLag(): void {
    this.#deps.onLag(this.#subscription.name, Math.max(0, this.#head - this.#cursor));
  }

  #wake(): void {
    this.#woken = true;
    this.#endPause();
  }

  /** Until it is woken, at most `ms`. */
  #pause(ms: number): Promise<void> {
    if (this.#woken) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        resolve();
      };
      const timer = this.#deps.clock.setTimer(`events for ${this.#subscription.name}`, ms, end);
      this.#endPause = end;
    });
  }
}

/** As a promise also where the handler throws at once. */
async function callHandler(call: () => Promise<void>): Promise<void> {
  await call();
}
