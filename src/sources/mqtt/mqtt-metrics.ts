import type { Timer } from '../../base/clock.js';
import type { SourceDeps } from '../part.js';

/** What is counted per message reaches the registry this often: a labelled increment costs more than a decoder. */
const PUBLISH_INTERVAL_MS = 200;

export type UnusableReason = 'payload' | 'size' | 'topic' | 'unmatched';
export type RefusedClientReason = 'connections' | 'credentials' | 'size' | 'access' | 'rate';

/** The counters of one MQTT source. */
export class MqttMetrics {
  readonly #deps: Pick<SourceDeps, 'clock'>;
  readonly #source: string;
  readonly #registered;
  #timer: Timer | undefined;
  #messages = 0;
  #acknowledged = 0;
  #inFlight = 0;

  constructor(source: string, deps: Pick<SourceDeps, 'clock' | 'metrics'>) {
    this.#source = source;
    this.#deps = deps;
    const { metrics } = deps;
    const counter = (name: string, help: string) => metrics.counter(name, help, ['source']);
    this.#registered = {
      messages: counter('sm_edge_mqtt_messages_total', 'Messages received'),
      acknowledged: counter(
        'sm_edge_mqtt_acknowledged_total',
        'Messages acknowledged after they were stored',
      ),
      inFlight: metrics.gauge('sm_edge_mqtt_in_flight', 'Messages that wait for the store', ['source']),
      gaps: counter('sm_edge_mqtt_stream_gaps_total', 'Interruptions of continuous sample streams'),
      lostBlocks: counter(
        'sm_edge_mqtt_lost_blocks_total',
        'Sample blocks that sequence numbers show to be lost before they came here',
      ),
      unusable: metrics.counter(
        'sm_edge_mqtt_unusable_messages_total',
        'Messages that could not be used: payload (not decodable), size (over maxPayload), topic (no point for it), unmatched (no subscription)',
        ['source', 'reason'],
      ),
      storeRefusals: counter(
        'sm_edge_mqtt_store_refusals_total',
        'Deliveries that the store refused; their messages are sent again',
      ),
      connections: counter('sm_edge_mqtt_connections_total', 'Connections made to the broker'),
      losses: counter(
        'sm_edge_mqtt_connection_losses_total',
        'Connections to the broker that were lost or could not be made',
      ),
      dropped: counter(
        'sm_edge_mqtt_dropped_for_clients_total',
        'Messages that the embedded broker left out of the full queue of an absent or slow client',
      ),
      refusedClients: metrics.counter(
        'sm_edge_mqtt_refused_clients_total',
        'What the embedded broker refused clients: connections (too many), credentials, size (packet too large), access (a topic), rate (read more slowly)',
        ['source', 'reason'],
      ),
    };
  }

  message(): void {
    this.#messages++;
    this.#schedule();
  }

  acknowledged(messages: number): void {
    this.#acknowledged += messages;
    this.#schedule();
  }

  inFlight(messages: number): void {
    this.#inFlight = messages;
    this.#schedule();
  }

  /** Interruptions of a sample stream, and the blocks known to be lost in them. */
  stream(gaps: number, lostBlocks: number): void {
    if (gaps > 0) this.#registered.gaps.inc({ source: this.#source }, gaps);
    if (lostBlocks > 0) this.#registered.lostBlocks.inc({ source: this.#source }, lostBlocks);
  }

  unusable(reason: UnusableReason): void {
    this.#registered.unusable.inc({ source: this.#source, reason });
  }

  storeRefusal(): void {
    this.#registered.storeRefusals.inc({ source: this.#source });
  }

  connection(): void {
    this.#registered.connections.inc({ source: this.#source });
  }

  loss(): void {
    this.#registered.losses.inc({ source: this.#source });
  }

  dropped(): void {
    this.#registered.dropped.inc({ source: this.#source });
  }

  refusedClient(reason: RefusedClientReason): void {
    this.#registered.refusedClients.inc({ source: this.#source, reason });
  }

  /** Brings the registry up to date. */
  publish(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const labels = { source: this.#source };
    this.#registered.messages.inc(labels, this.#messages);
    this.#registered.acknowledged.inc(labels, this.#acknowledged);
    this.#registered.inFlight.set(labels, this.#inFlight);
    this.#messages = 0;
    this.#acknowledged = 0;
  }

  #schedule(): void {
    this.#timer ??= this.#deps.clock.setTimer('mqtt counts', PUBLISH_INTERVAL_MS, () => this.publish());
  }
}
