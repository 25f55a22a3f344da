import type { SourceDeps } from '../part.js';
import type { RebirthReason } from './host.js';

/** The counters of one Sparkplug source, beside those of its MQTT link. */
export class SparkplugMetrics {
  readonly #source: string;
  readonly #registered;

  constructor(source: string, { metrics }: Pick<SourceDeps, 'metrics'>) {
    this.#source = source;
    this.#registered = {
      lost: metrics.counter(
        'sm_edge_sparkplug_lost_messages_total',
        'Messages of edge nodes that sequence numbers show to be lost before they came here',
        ['source'],
      ),
      rebirths: metrics.counter(
        'sm_edge_sparkplug_rebirth_requests_total',
        'Requests to edge nodes to be born again: unborn, sequence, unknown-metric, unborn-device',
        ['source', 'reason'],
      ),
      online: metrics.gauge('sm_edge_sparkplug_nodes_online', 'Edge nodes that are online', ['source']),
      offline: metrics.gauge(
        'sm_edge_sparkplug_nodes_offline',
        'Edge nodes that died and have not come back',
        ['source'],
      ),
    };
  }

  lost(messages: number): void {
    this.#registered.lost.inc({ source: this.#source }, messages);
  }

  rebirth(reason: RebirthReason): void {
    this.#registered.rebirths.inc({ source: this.#source, reason });
  }

  nodes(online: number, offline: number): void {
    this.#registered.online.set({ source: this.#source }, online);
    this.#registered.offline.set({ source: this.#source }, offline);
  }
}
