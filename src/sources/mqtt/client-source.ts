import type { Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import { ClientLink } from './client-link.js';
import { Condition } from './condition.js';
import type { ExternalBroker, MqttConfig } from './config.js';
import { Intake } from './intake.js';
import { MqttMetrics } from './mqtt-metrics.js';
import { type OwnMessage, statusMessage } from './status-message.js';

/** A client of an external broker. */
export class MqttClientSource implements Source {
  readonly #config: MqttConfig;
  readonly #broker: ExternalBroker;
  readonly #deps: SourceDeps;
  readonly #condition: Condition;
  readonly #intake: Intake;
  readonly #link: ClientLink;

  constructor(config: MqttConfig, broker: ExternalBroker, deps: SourceDeps) {
    this.#config = config;
    this.#broker = broker;
    this.#deps = deps;
    this.#condition = new Condition(new StatusKeeper(deps.clock, deps.onStatus));
    const metrics = new MqttMetrics(config.id, deps);
    const intake = new Intake(config, deps, metrics, this.#condition);
    this.#intake = intake;
    this.#link = new ClientLink(
      {
        sourceId: config.id,
        clientId: broker.clientId ?? `sm-edge-${deps.gatewayId}-${config.id}`,
        broker,
        maxPayloadBytes: config.maxPayload,
        filters: intake.router.filters,
        take: (message) => intake.take(message),
        will: () => this.#status('offline'),
        farewell: () => this.#status('stopped'),
        opened: (session) => {
          intake.watch.start();
          const birth = this.#status('online');
          if (birth !== undefined) session.announce(birth);
        },
        lost: () => intake.watch.stop(),
      },
      deps,
      this.#condition,
      metrics,
    );
  }

  get status(): SourceStatus {
    return this.#condition.status;
  }

  start(): Promise<void> {
    return this.#link.start();
  }

  stop(): Promise<void> {
    this.#intake.watch.stop();
    return this.#link.stop();
  }

  /** Birth, last will and farewell; undefined where no topic is declared for them. */
  #status(state: 'online' | 'offline' | 'stopped'): OwnMessage | undefined {
    const values: Readonly<Record<string, string>> = {
      gateway: this.#deps.gatewayId,
      source: this.#config.id,
    };
    const topic = this.#broker.statusTopic.replace(
      /\{(gateway|source)\}/g,
      (_, name: string) => values[name]!,
    );
    return topic === '' ? undefined : { topic, payload: statusMessage(state, this.#config.id, this.#deps) };
  }
}
