import { sleep, type Timer } from '../../base/clock.js';
import { toSmEdgeError } from '../../base/errors.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { SourceDeps } from '../part.js';
import type { Decoded } from '../payloads/payload.js';
import { clientOptions } from './client-options.js';
import { ClientSession, type ReleasePending } from './client-session.js';
import type { Condition } from './condition.js';
import type { ExternalBroker } from './config.js';
import type { Message } from './intake.js';
import { linkFault } from './link-fault.js';
import type { MqttMetrics } from './mqtt-metrics.js';
import type { OwnMessage } from './status-message.js';
import { SubscriptionRecord } from './subscription-record.js';

const RECONNECT: RetrySchedule = {
  initialMs: 500,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.5,
  limit: Number.POSITIVE_INFINITY,
};

/** An absent broker is a degraded source at first, a failed one after this time. */
const FAILED_AFTER_MS = 30_000;
/** A link that held this long starts the backoff from the beginning when it is lost. */
const STABLE_AFTER_MS = 10_000;
/** Filters that the broker refused are asked for again: its rights may be mended without anybody coming here. */
const RETRY_REFUSED_MS = 60_000;

const NOTHING_REFUSED = { refused: [] as string[], lowered: [] as string[] };

/** What is done with a link: what it subscribes, what becomes of messages, how it announces itself. */
export interface LinkUse {
  readonly sourceId: string;
  readonly clientId: string;
  readonly broker: ExternalBroker;
  readonly maxPayloadBytes: number;
  readonly filters: ReadonlyMap<string, 0 | 1 | 2>;
  take(message: Message): Decoded | undefined;
  /** Asked for each connection: what the broker publishes when it is lost. */
  will(): OwnMessage | undefined;
  /** What is published before an orderly end. */
  farewell(): OwnMessage | undefined;
  /** The link is there and its filters are subscribed. */
  opened(session: ClientSession): void;
  lost(): void;
}

/** Keeps the link to an external broker: connects, subscribes, connects again, and says how it stands. */
export class ClientLink {
  readonly #use: LinkUse;
  readonly #deps: SourceDeps;
  readonly #condition: Condition;
  readonly #metrics: MqttMetrics;
  readonly #record: SubscriptionRecord;
  readonly #stopped = new AbortController();
  readonly #releasePending: ReleasePending = new Set();
  #session: ClientSession | undefined;
  #loop: Promise<void> | undefined;
  #subscribed = false;
  #refusedTimer: Timer | undefined;

  constructor(use: LinkUse, deps: SourceDeps, condition: Condition, metrics: MqttMetrics) {
    this.#use = use;
    this.#deps = deps;
    this.#condition = condition;
    this.#metrics = metrics;
    this.#record = new SubscriptionRecord(use.sourceId, use.broker.url, use.clientId, deps.memory);
  }

  /** @throws SmEdgeError where a TLS file is missing */
  async start(): Promise<void> {
    // Loaded here: a gateway without MQTT need not pay for it.
    const { default: mqtt } = await import('mqtt');
    const { broker, clientId, maxPayloadBytes } = this.#use;
    const options = await clientOptions(broker, clientId, maxPayloadBytes);
    const connect = () => {
      const will = this.#use.will();
      return new ClientSession({
        connect: mqtt.connect,
        url: broker.url,
        clientOptions: {
          ...options,
          ...(will === undefined
            ? {}
            : {
                will: {
                  topic: will.topic,
                  payload: Buffer.from(will.payload as string),
                  qos: 1,
                  retain: will.retain ?? true,
                },
              }),
        },
        maxInFlight: broker.maxInFlight,
        releasePending: this.#releasePending,
        intake: this.#use,
        deps: this.#deps,
        metrics: this.#metrics,
      });
    };
    this.#loop = this.#run(connect);
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#refusedTimer?.cancel();
    await this.#session?.stop(this.#use.farewell());
    await this.#loop;
    this.#metrics.publish();
    this.#condition.set('stopped');
  }

  /** Connects, waits for the end of the connection, connects again: until it is stopped. */
  async #run(connect: () => ClientSession): Promise<void> {
    const { clock, random, logger } = this.#deps;
    const { signal } = this.#stopped;
    let attempt = 0;
    let lostAtMs = clock.monotonicMs();
    let lastMessage = '';
    while (!signal.aborted) {
      const session = connect();
      this.#session = session;
      const openedAtMs = await this.#serve(session);
      this.#refusedTimer?.cancel();
      this.#use.lost();
      if (signal.aborted) return;
      const fault = linkFault(await session.closed, this.#use.broker.url);
      const nowMs = clock.monotonicMs();
      this.#metrics.loss();
      this.#metrics.inFlight(0);
      if (openedAtMs !== undefined) {
        lostAtMs = nowMs;
        lastMessage = '';
        if (nowMs - openedAtMs >= STABLE_AFTER_MS) attempt = 0;
      }
      // One line for each way in which the link fails, not one for each attempt.
      if (fault.message !== lastMessage) {
        logger.warn(
          { code: fault.code, ...(fault.hint === undefined ? {} : { hint: fault.hint }), ...fault.details },
          `${openedAtMs === undefined ? 'no connection' : 'connection lost'}: ${fault.message}; trying again until it works`,
        );
        lastMessage = fault.message;
      }
      const reason = fault.hint === undefined ? fault.message : `${fault.message}; ${fault.hint}`;
      this.#condition.set(
        nowMs - lostAtMs >= FAILED_AFTER_MS || !this.#subscribed ? 'failed' : 'degraded',
        reason,
      );
      await sleep(clock, 'mqtt reconnect', retryDelayMs(RECONNECT, attempt++, random)!, signal);
    }
  }

  /** Sees one connection through; the answer is when it was opened (monotonic), or undefined where it never was. */
  async #serve(session: ClientSession): Promise<number | undefined> {
    let sessionPresent: boolean;
    try {
      sessionPresent = await session.opened;
    } catch {
      return undefined;
    }
    const openedAtMs = this.#deps.clock.monotonicMs();
    this.#metrics.connection();
    // [MQTT-3.2.2-3] without a session the broker knows neither our filters nor our packet identifiers.
    if (!sessionPresent) this.#releasePending.clear();
    try {
      await this.#subscribe(session, sessionPresent);
    } catch (thrown) {
      session.fail(toSmEdgeError(thrown, 'MQTT_SUBSCRIBE'));
    }
    await session.closed;
    return openedAtMs;
  }

  async #subscribe(session: ClientSession, sessionPresent: boolean): Promise<void> {
    const { logger } = this.#deps;
    const { filters } = this.#use;
    const stale = sessionPresent ? this.#record.staleFilters(filters) : [];
    if (stale.length > 0) {
      await session.unsubscribe(stale);
      logger.info({ filters: stale }, 'filters of an earlier configuration are unsubscribed');
    }
    const known = sessionPresent && (this.#subscribed || this.#record.matches(filters));
    const { refused, lowered } = known ? NOTHING_REFUSED : await session.subscribe(filters);
    if (this.#stopped.signal.aborted) return;
    this.#record.save(new Map([...filters].filter(([filter]) => !refused.includes(filter))));
    this.#subscribed = refused.length === 0;
    this.#use.opened(session);
    logger.info(
      { url: this.#use.broker.url, sessionPresent, filters: filters.size },
      sessionPresent ? 'connected; the broker kept the session' : 'connected with a new session',
    );
    if (lowered.length > 0) {
      logger.warn({ filters: lowered }, 'the broker grants a lower QoS than asked: messages may be lost');
    }
    this.#reportRefused(session, refused);
  }

  #reportRefused(session: ClientSession, refused: readonly string[]): void {
    if (refused.length === 0) {
      this.#condition.set('good');
      return;
    }
    const list = refused.slice(0, 3).join(', ') + (refused.length > 3 ? ', …' : '');
    this.#condition.set('degraded', `the broker refuses ${refused.length} subscription(s): ${list}`);
    this.#deps.logger.warn(
      { filters: refused, hint: "check this client's rights at the broker (its access list)" },
      'the broker refuses subscriptions; asking again every minute',
    );
    this.#askAgain(session, refused);
  }

  #askAgain(session: ClientSession, refused: readonly string[]): void {
    this.#refusedTimer = this.#deps.clock.setTimer('mqtt refused filters', RETRY_REFUSED_MS, async () => {
      const { filters } = this.#use;
      const again = new Map(refused.map((filter) => [filter, filters.get(filter) ?? 1] as const));
      try {
        const answer = await session.subscribe(again);
        if (this.#session !== session || this.#stopped.signal.aborted) return;
        if (answer.refused.length > 0) return this.#askAgain(session, answer.refused);
        this.#subscribed = true;
        this.#deps.logger.info({ filters: refused }, 'the broker now grants all subscriptions');
        this.#condition.set('good');
      } catch (thrown) {
        session.fail(toSmEdgeError(thrown, 'MQTT_SUBSCRIBE'));
      }
    });
  }
}
