import { sleep, type Timer } from '../../base/clock.js';
import { toSmEdgeError } from '../../base/errors.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import { clientOptions } from './client-options.js';
import { ClientSession, type ReleasePending } from './client-session.js';
import type { ExternalBroker, MqttConfig } from './config.js';
import { Intake } from './intake.js';
import { linkFault } from './link-fault.js';
import { MqttMetrics } from './mqtt-metrics.js';
import { statusMessage } from './status-message.js';
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

/** A client of an external broker. */
export class MqttClientSource implements Source {
  readonly #config: MqttConfig;
  readonly #broker: ExternalBroker;
  readonly #deps: SourceDeps;
  readonly #status: StatusKeeper;
  readonly #intake: Intake;
  readonly #record: SubscriptionRecord;
  readonly #stopped = new AbortController();
  readonly #releasePending: ReleasePending = new Set();
  readonly #metrics: MqttMetrics;
  #session: ClientSession | undefined;
  #loop: Promise<void> | undefined;
  #subscribed = false;
  #refusedTimer: Timer | undefined;

  constructor(config: MqttConfig, broker: ExternalBroker, deps: SourceDeps) {
    this.#config = config;
    this.#broker = broker;
    this.#deps = deps;
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#metrics = new MqttMetrics(config.id, deps);
    this.#intake = new Intake(config, deps, this.#metrics);
    this.#record = new SubscriptionRecord(config.id, broker.url, this.#clientId, deps.memory);
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  get #clientId(): string {
    return this.#broker.clientId ?? `sm-edge-${this.#deps.gatewayId}-${this.#config.id}`;
  }

  async start(): Promise<void> {
    // Loaded here: a gateway without MQTT need not pay for it.
    const { default: mqtt } = await import('mqtt');
    const topic = this.#statusTopic;
    const will =
      topic === '' ? undefined : { topic, payload: statusMessage('offline', this.#config.id, this.#deps) };
    const identity = { clientId: this.#clientId, will };
    const options = await clientOptions(this.#broker, identity, this.#config.maxPayload);
    const connect = () =>
      new ClientSession({
        connect: mqtt.connect,
        url: this.#broker.url,
        clientOptions: { ...options },
        maxInFlight: this.#broker.maxInFlight,
        releasePending: this.#releasePending,
        intake: this.#intake,
        deps: this.#deps,
        metrics: this.#metrics,
      });
    this.#loop = this.#run(connect);
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const topic = this.#statusTopic;
    this.#stopped.abort();
    this.#refusedTimer?.cancel();
    await this.#session?.stop(
      topic === '' ? undefined : { topic, payload: statusMessage('stopped', this.#config.id, this.#deps) },
    );
    await this.#loop;
    this.#metrics.publish();
    this.#status.set('stopped');
  }

  get #statusTopic(): string {
    const values: Readonly<Record<string, string>> = {
      gateway: this.#deps.gatewayId,
      source: this.#config.id,
    };
    return this.#broker.statusTopic.replace(/\{(gateway|source)\}/g, (_, name: string) => values[name]!);
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
      if (signal.aborted) return;
      const fault = linkFault(await session.closed, this.#broker.url);
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
      this.#status.set(
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
    const { filters } = this.#intake.router;
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
    this.#announce(session);
    logger.info(
      { url: this.#broker.url, sessionPresent, filters: filters.size },
      sessionPresent ? 'connected; the broker kept the session' : 'connected with a new session',
    );
    if (lowered.length > 0) {
      logger.warn({ filters: lowered }, 'the broker grants a lower QoS than asked: messages may be lost');
    }
    this.#reportRefused(session, refused);
  }

  #reportRefused(session: ClientSession, refused: readonly string[]): void {
    if (refused.length === 0) {
      this.#status.set('good');
      return;
    }
    const list = refused.slice(0, 3).join(', ') + (refused.length > 3 ? ', …' : '');
    this.#status.set('degraded', `the broker refuses ${refused.length} subscription(s): ${list}`);
    this.#deps.logger.warn(
      { filters: refused, hint: "check this client's rights at the broker (its access list)" },
      'the broker refuses subscriptions; asking again every minute',
    );
    this.#askAgain(session, refused);
  }

  #askAgain(session: ClientSession, refused: readonly string[]): void {
    this.#refusedTimer = this.#deps.clock.setTimer('mqtt refused filters', RETRY_REFUSED_MS, async () => {
      const { filters } = this.#intake.router;
      const again = new Map(refused.map((filter) => [filter, filters.get(filter) ?? 1] as const));
      try {
        const answer = await session.subscribe(again);
        if (this.#session !== session || this.#stopped.signal.aborted) return;
        if (answer.refused.length > 0) return this.#askAgain(session, answer.refused);
        this.#subscribed = true;
        this.#deps.logger.info({ filters: refused }, 'the broker now grants all subscriptions');
        this.#status.set('good');
      } catch (thrown) {
        session.fail(toSmEdgeError(thrown, 'MQTT_SUBSCRIBE'));
      }
    });
  }

  #announce(session: ClientSession): void {
    const topic = this.#statusTopic;
    if (topic !== '') session.announce(topic, statusMessage('online', this.#config.id, this.#deps));
  }
}
