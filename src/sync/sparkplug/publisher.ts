import type { Timer } from '../../base/clock.js';
import { SmEdgeError, toErrorRecord } from '../../base/errors.js';
import type { PartHealth } from '../../base/health.js';
import { pointMatcher } from '../../signals/point-pattern.js';
import { ClientLink } from '../../sources/mqtt/client-link.js';
import type { ClientSession } from '../../sources/mqtt/client-session.js';
import { Condition } from '../../sources/mqtt/condition.js';
import type { Message } from '../../sources/mqtt/intake.js';
import { MqttMetrics } from '../../sources/mqtt/mqtt-metrics.js';
import type { OwnMessage } from '../../sources/mqtt/status-message.js';
import type { SignalSink, SourceDeps } from '../../sources/part.js';
import { decodePayload } from '../../sources/sparkplug/metric.js';
import { NAMESPACE, nodeCommandTopic, stateTopic } from '../../sources/sparkplug/topic.js';
import { StatusKeeper } from '../../sources/status.js';
import type { SparkplugNodeConfig } from './config.js';
import { EdgeNode, type NodeMessage } from './edge-node.js';
import { metricsOfView, type NodeMetric, type NodeView } from './metrics-of-view.js';

/** The name under which the counters of the link and the facts kept over a restart stand. */
const ID = 'sync-sparkplug';
/** Bytes that the network has not taken: above this the changes are kept instead of published. */
const MAX_UNSENT_BYTES = 4 << 20;
/** Messages of kept changes in one turn, so that a long absence does not flood the line. */
const HISTORICAL_PER_TURN = 20;
const MAX_COMMAND_BYTES = 64 << 10;
const BD_SEQUENCE = 256;

export interface PublisherDeps extends Omit<SourceDeps, 'sink' | 'onStatus' | 'shared'> {
  readonly site: string;
  readonly view: () => NodeView;
}

/** Nothing that comes over this link is a measured value. */
const NO_SINK: SignalSink = { offer: () => undefined, deliver: async () => undefined };

/** This gateway as a Sparkplug B edge node: publishes its machines, obeys rebirth requests and nothing else. */
export class SparkplugPublisher {
  readonly #config: SparkplugNodeConfig;
  readonly #deps: PublisherDeps;
  readonly #group: string;
  readonly #name: string;
  readonly #isWanted: (point: string) => boolean;
  readonly #node: EdgeNode;
  readonly #link: ClientLink;
  readonly #condition: Condition;
  readonly #metrics;
  #session: ClientSession | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  #bdSeq: number;
  #born = false;
  #rebirthAsked = false;
  /** Of the primary host: what its STATE said last, and when it came online. */
  #hostOnline: boolean;
  #hostSinceMs = 0;
  #leftOutReported = false;

  constructor(config: SparkplugNodeConfig, deps: PublisherDeps) {
    this.#config = config;
    this.#deps = deps;
    const fill = (text: string) =>
      text.replaceAll('{site}', deps.site).replaceAll('{gateway}', deps.gatewayId);
    this.#group = fill(config.group);
    this.#name = fill(config.node);
    const matchers = config.points.map(pointMatcher);
    this.#isWanted = (point) => matchers.some((matches) => matches(point));
    this.#node = new EdgeNode({ ...config, group: this.#group, node: this.#name });
    this.#hostOnline = config.primaryHost === undefined;
    this.#bdSeq = Number(deps.memory?.read('bdSeq') ?? -1);
    const { metrics } = deps;
    this.#metrics = {
      published: metrics.counter(
        'sm_edge_sparkplug_published_messages_total',
        'Messages of this gateway as an edge node: NBIRTH, DBIRTH, NDATA, DDATA',
        ['type'],
      ),
      kept: metrics.gauge('sm_edge_sparkplug_kept_changes', 'Changes kept while no host listens'),
      dropped: metrics.counter(
        'sm_edge_sparkplug_dropped_changes_total',
        'Changes dropped, the oldest first, because too many were kept',
      ),
      leftOut: metrics.gauge('sm_edge_sparkplug_left_out_metrics', 'Metrics over maxMetrics'),
      commands: metrics.counter(
        'sm_edge_sparkplug_commands_total',
        'Commands that came: rebirth, refused (anything else)',
        ['kind'],
      ),
    };
    const sourceDeps: SourceDeps = { ...deps, sink: NO_SINK, onStatus: () => undefined };
    this.#condition = new Condition(new StatusKeeper(deps.clock, () => undefined));
    const filters = new Map<string, 0 | 1 | 2>([
      [nodeCommandTopic(this.#group, this.#name), 1],
      [`${NAMESPACE}/${this.#group}/DCMD/${this.#name}/#`, 1],
    ]);
    if (config.primaryHost !== undefined) filters.set(stateTopic(config.primaryHost), 1);
    this.#link = new ClientLink(
      {
        sourceId: ID,
        clientId: config.broker.clientId ?? `sm-edge-${deps.gatewayId}-${ID}`,
        // An edge node starts clean (5.4): commands of another time are not for it.
        broker: { ...config.broker, sessionExpiry: 0, statusTopic: '' },
        maxPayloadBytes: MAX_COMMAND_BYTES,
        filters,
        take: (message) => {
          this.#take(message);
          return undefined;
        },
        will: () => {
          // Each connection has a number of its own, over restarts too: a late will of an earlier one is known by it.
          this.#bdSeq = (this.#bdSeq + 1) % BD_SEQUENCE;
          deps.memory?.write('bdSeq', String(this.#bdSeq));
          return this.#death();
        },
        farewell: () => (this.#born ? this.#death() : undefined),
        opened: (session) => {
          this.#session = session;
          this.#turn();
        },
        lost: () => {
          this.#session = undefined;
          this.#born = false;
          this.#hostOnline = config.primaryHost === undefined;
        },
      },
      sourceDeps,
      this.#condition,
      new MqttMetrics(ID, sourceDeps),
    );
  }

  /** @throws SmEdgeError where a TLS file is missing */
  async start(): Promise<void> {
    await this.#link.start();
    this.#schedule();
  }

  /** Publishes the last changes and its death. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#turn();
    await this.#link.stop();
  }

  health(): PartHealth {
    return { part: 'sync sparkplug', ...this.#condition.status };
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.setTimer('sparkplug edge node', this.#config.interval, () => {
      this.#turn();
      if (!this.#stopped) this.#schedule();
    });
  }

  /** Publishes or keeps what changed. */
  #turn(): void {
    try {
      const nowMs = this.#deps.clock.nowMs();
      const metrics = metricsOfView(this.#deps.view(), this.#isWanted, this.#deps.site);
      this.#waitForHost();
      const session = this.#session;
      if (session === undefined || !this.#hostOnline || session.unsentBytes > MAX_UNSENT_BYTES)
        this.#node.hold(metrics, nowMs);
      else this.#publish(session, metrics, nowMs);
      this.#count();
    } catch (thrown) {
      this.#deps.logger.error({ error: toErrorRecord(thrown) }, 'a turn of the Sparkplug edge node failed');
    }
  }

  #publish(session: ClientSession, metrics: readonly NodeMetric[], nowMs: number): void {
    const changes = this.#born && !this.#rebirthAsked ? this.#node.changes(metrics, nowMs) : undefined;
    if (changes === undefined) {
      this.#rebirthAsked = false;
      this.#born = true;
      this.#send(session, this.#node.births(metrics, this.#bdSeq, nowMs));
    } else this.#send(session, changes);
    if (this.#node.kept > 0) this.#send(session, this.#node.historical(nowMs, HISTORICAL_PER_TURN));
  }

  #send(session: ClientSession, messages: readonly NodeMessage[]): void {
    for (const { topic, payload } of messages) {
      session.publish(topic, payload, { qos: 0, retain: false });
      this.#metrics.published.inc({ type: topic.split('/')[2] ?? '' });
    }
  }

  #waitForHost(): void {
    const { primaryHost } = this.#config;
    const waits = this.#session !== undefined && !this.#hostOnline;
    this.#condition.trouble('host', waits ? `the primary host ${primaryHost} is not online` : undefined);
  }

  #take({ topic, payload }: Message): void {
    const { primaryHost } = this.#config;
    if (primaryHost !== undefined && topic === stateTopic(primaryHost)) {
      this.#hostState(payload);
      return;
    }
    const isRebirth = topic === nodeCommandTopic(this.#group, this.#name) && asksForRebirth(payload);
    this.#metrics.commands.inc({ kind: isRebirth ? 'rebirth' : 'refused' });
    // With the next turn: a host that asks for ever keeps the node no busier than its interval.
    if (isRebirth) this.#rebirthAsked = true;
    else this.#deps.logger.warn({ topic }, 'a Sparkplug command was refused: this gateway only publishes');
  }

  /** The primary host came or went (5.13): without it this node has nobody to talk to. */
  #hostState(payload: Uint8Array): void {
    const state = hostStateOf(payload);
    if (state === undefined || state.timestamp < this.#hostSinceMs) return;
    this.#hostSinceMs = state.timestamp;
    this.#hostOnline = state.online;
    if (state.online) {
      if (this.#session !== undefined) this.#turn();
      return;
    }
    const session = this.#session;
    if (!this.#born || session === undefined) return;
    // It has to say that it dies, to disconnect, and to establish itself anew once the host is back.
    this.#born = false;
    const reason = new SmEdgeError(
      'SPARKPLUG_HOST_OFFLINE',
      `the primary host ${this.#config.primaryHost} went offline: changes are kept until it returns`,
    );
    session.leave(reason, this.#death()).catch(() => undefined);
  }

  #death(): OwnMessage {
    const { topic, payload } = this.#node.death(this.#bdSeq, this.#deps.clock.nowMs());
    return { topic, payload, retain: false };
  }

  #count(): void {
    const { kept, dropped, leftOut } = this.#metrics;
    kept.set(this.#node.kept);
    dropped.inc(this.#node.takeDropped());
    leftOut.set(this.#node.leftOut);
    if (this.#node.leftOut === 0 || this.#leftOutReported) return;
    this.#leftOutReported = true;
    this.#deps.logger.warn({ leftOut: this.#node.leftOut }, 'there are more metrics than maxMetrics');
  }
}

function asksForRebirth(payload: Uint8Array): boolean {
  try {
    return decodePayload(payload).metrics.some(
      ({ name, wire }) => name === 'Node Control/Rebirth' && wire.booleanValue,
    );
  } catch {
    return false;
  }
}

function hostStateOf(payload: Uint8Array): { online: boolean; timestamp: number } | undefined {
  try {
    const { online, timestamp } = JSON.parse(Buffer.from(payload).toString('utf8')) as Record<
      string,
      unknown
    >;
    return typeof online === 'boolean' && typeof timestamp === 'number' ? { online, timestamp } : undefined;
  } catch {
    return undefined;
  }
}
