import { sleep } from '../../base/clock.js';
import { withDeadline } from '../../base/deadline.js';
import { toSmEdgeError } from '../../base/errors.js';
import { type RetrySchedule, retryDelayMs } from '../../base/retry.js';
import type { Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import { Collector } from './collector.js';
import { Condition } from './condition.js';
import type { EmbeddedBrokerConfig, MqttConfig } from './config.js';
import { EmbeddedBroker, type ListenAddress, type Publication } from './embedded-broker.js';
import { Intake } from './intake.js';
import { notStored } from './link-fault.js';
import { MqttMetrics } from './mqtt-metrics.js';
import { statusMessage } from './status-message.js';

/** Another process may hold the port for a while, as at a restart. */
const RELISTEN: RetrySchedule = {
  initialMs: 500,
  maxMs: 10_000,
  factor: 2,
  jitter: 0.5,
  limit: Number.POSITIVE_INFINITY,
};

/** Messages and payload bytes that may wait for the store. */
const MAX_HELD_MESSAGES = 4_096;
const MAX_HELD_BYTES = 32 << 20;
const DRAIN_TIMEOUT_MS = 3_000;
const CLOSE_TIMEOUT_MS = 1_000;

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * A broker of its own. What clients publish is taken inside the broker, before it acknowledges: a publisher's
 * PUBACK or PUBREC for a subscribed topic means that the store has the message.
 */
export class EmbeddedBrokerSource implements Source {
  readonly #config: MqttConfig;
  readonly #broker: EmbeddedBrokerConfig;
  readonly #deps: SourceDeps;
  readonly #status: Condition;
  readonly #intake: Intake;
  readonly #stopped = new AbortController();
  readonly #metrics: MqttMetrics;
  #collector: Collector<Waiting>;
  #waiting = new Set<Waiting>();
  #server: EmbeddedBroker | undefined;
  #address: ListenAddress | undefined;
  #loop: Promise<void> | undefined;
  #paused = false;

  constructor(config: MqttConfig, broker: EmbeddedBrokerConfig, deps: SourceDeps) {
    this.#config = config;
    this.#broker = broker;
    this.#deps = deps;
    this.#status = new Condition(new StatusKeeper(deps.clock, deps.onStatus));
    this.#metrics = new MqttMetrics(config.id, deps);
    this.#intake = new Intake(config, deps, this.#metrics, this.#status);
    this.#collector = this.#newCollector();
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  /** Where the broker listens; undefined until it does. */
  get address(): ListenAddress | undefined {
    return this.#address;
  }

  async start(): Promise<void> {
    await this.#listen().catch((thrown) => {
      this.#fail(thrown);
      this.#loop = this.#keepTrying();
    });
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#intake.watch.stop();
    const { clock } = this.#deps;
    await withDeadline(clock, 'mqtt drain', DRAIN_TIMEOUT_MS, this.#collector.drain()).catch(() => undefined);
    this.#server?.publish(this.#statusTopic, statusMessage('stopped', this.#config.id, this.#deps));
    const closed = this.#server?.stop() ?? Promise.resolve();
    await withDeadline(clock, 'mqtt broker close', CLOSE_TIMEOUT_MS, closed).catch(() => undefined);
    await this.#loop;
    this.#metrics.publish();
    this.#status.set('stopped');
  }

  get #statusTopic(): string {
    return `sm-edge/${this.#deps.gatewayId}/status`;
  }

  async #listen(): Promise<void> {
    const server = new EmbeddedBroker({
      config: this.#broker,
      clock: this.#deps.clock,
      logger: this.#deps.logger,
      onPublish: (publication) => this.#take(publication),
      onRefused: (reason) => this.#metrics.refusedClient(reason),
      onDropped: () => this.#metrics.dropped(),
      onError: (error) => this.#fail(error),
    });
    this.#address = await server.start();
    this.#server = server;
    this.#deps.logger.info(this.#address, 'the embedded MQTT broker listens');
    this.#status.set('good');
    this.#intake.watch.start();
    server.publish(this.#statusTopic, statusMessage('online', this.#config.id, this.#deps));
  }

  async #keepTrying(): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopped;
    for (let attempt = 0; !signal.aborted; attempt++) {
      await sleep(clock, 'mqtt broker listen', retryDelayMs(RELISTEN, attempt, random)!, signal);
      if (signal.aborted) return;
      try {
        return await this.#listen();
      } catch (thrown) {
        this.#fail(thrown);
      }
    }
  }

  #fail(thrown: unknown): void {
    const error = toSmEdgeError(thrown, 'MQTT_LISTEN');
    const reason = error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
    if (this.#status.status.reason === reason) return;
    this.#status.set('failed', reason);
    this.#deps.logger.warn({ code: error.code, hint: error.hint }, error.message);
  }

  #newCollector(): Collector<Waiting> {
    const collector: Collector<Waiting> = new Collector(this.#deps.sink, {
      release: (waiting) => {
        this.#metrics.acknowledged(waiting.length);
        this.#status.set('good');
        for (const one of waiting) one.resolve();
      },
      refused: (error) => {
        if (this.#collector === collector) this.#refuseAll(error);
      },
      changed: () => {
        this.#metrics.inFlight(collector.heldMessages);
        this.#regulate();
      },
    });
    return collector;
  }

  /** The answer to the broker: nothing to wait for at QoS 0 and for topics that nobody subscribed. */
  #take({ topic, payload, qos, repeated }: Publication): Promise<void> | undefined {
    if (this.#stopped.signal.aborted) {
      return Promise.reject(new Error('the gateway is stopping'));
    }
    if (this.#intake.router.route(topic) === undefined) return undefined;
    const decoded = this.#intake.take({ topic, payload, retained: false, repeated });
    if (qos === 0) {
      this.#collector.offer(decoded, payload.length);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        resolve: () => {
          this.#waiting.delete(waiting);
          resolve();
        },
        reject,
      };
      this.#waiting.add(waiting);
      this.#collector.hold(decoded, payload.length, waiting);
      this.#regulate();
    });
  }

  /** Back-pressure: while too much waits for the store, the broker reads nothing. */
  #regulate(): void {
    const { heldMessages, heldBytes } = this.#collector;
    const full = heldMessages >= MAX_HELD_MESSAGES || heldBytes >= MAX_HELD_BYTES;
    // Paused again with every message while full: a client that connects meanwhile has not heard of it.
    if (full) this.#server?.pause();
    else if (this.#paused) this.#server?.resume();
    this.#paused = full;
  }

  /** The publishers of what is not stored are disconnected; they send it again when they are back. */
  #refuseAll(thrown: unknown): void {
    this.#metrics.storeRefusal();
    const error = notStored(thrown);
    if (this.#status.status.reason !== error.message) {
      this.#deps.logger.warn({ code: error.code, hint: error.hint }, error.message);
    }
    this.#status.set('degraded', error.message);
    this.#collector.close();
    this.#collector = this.#newCollector();
    const refused = this.#waiting;
    this.#waiting = new Set();
    for (const one of refused) one.reject(error);
    this.#regulate();
  }
}
