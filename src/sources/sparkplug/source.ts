import { toSmEdgeError } from '../../base/errors.js';
import { ClientLink } from '../mqtt/client-link.js';
import type { ClientSession } from '../mqtt/client-session.js';
import { Condition } from '../mqtt/condition.js';
import type { Message } from '../mqtt/intake.js';
import { MqttMetrics, type UnusableReason } from '../mqtt/mqtt-metrics.js';
import type { OwnMessage } from '../mqtt/status-message.js';
import type { Source, SourceDeps, SourceStatus } from '../part.js';
import type { Decoded } from '../payloads/payload.js';
import { StatusKeeper } from '../status.js';
import type { SparkplugConfig } from './config.js';
import { type RebirthReason, SparkplugHost } from './host.js';
import { DATA_TYPE } from './metric.js';
import { SparkplugMetrics } from './metrics.js';
import { PointRules } from './point-rules.js';
import { encodeWire } from './proto.js';
import { Rebirths } from './rebirths.js';
import { NAMESPACE, nodeCommandTopic, type SparkplugTopic, sparkplugTopic, stateTopic } from './topic.js';

const REPORT_INTERVAL_MS = 10 * 60_000;
/** Topics whose last report is remembered: nodes and their devices. */
const MAX_REPORTED = 10_000;
const MAX_NAMED = 3;

/** A Sparkplug B host application on an external broker. */
export class SparkplugSource implements Source {
  readonly #config: SparkplugConfig;
  readonly #deps: SourceDeps;
  readonly #condition: Condition;
  readonly #mqttMetrics: MqttMetrics;
  readonly #metrics: SparkplugMetrics;
  readonly #host: SparkplugHost;
  readonly #link: ClientLink;
  readonly #hostId: string;
  readonly #rebirths: Rebirths;
  readonly #reported = new Map<string, number>();
  /** Of the connection: birth and will of a host carry the same one (5.9). */
  #stateTimestampMs = 0;
  #session: ClientSession | undefined;

  constructor(config: SparkplugConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#condition = new Condition(new StatusKeeper(deps.clock, deps.onStatus));
    this.#mqttMetrics = new MqttMetrics(config.id, deps);
    this.#metrics = new SparkplugMetrics(config.id, deps);
    this.#hostId = config.hostId.replaceAll('{gateway}', deps.gatewayId);
    this.#rebirths = new Rebirths({
      clock: deps.clock,
      intervalMs: config.rebirthInterval,
      send: (group, node, reason) => this.#askRebirth(group, node, reason),
    });
    this.#host = new SparkplugHost({
      rules: new PointRules(config.metrics),
      maxNodes: config.maxNodes,
      maxMetrics: config.maxMetrics,
      events: {
        rebirth: (group, node, reason) => this.#rebirths.ask(group, node, reason),
        born: (group, node) => this.#rebirths.born(group, node),
        lost: (_group, _node, messages) => this.#metrics.lost(messages),
        changed: () => this.#tellNodes(),
      },
    });
    const filters = new Map<string, 0 | 1 | 2>(
      config.groups.map((group) => [`${NAMESPACE}/${group}/#`, 1] as const),
    );
    // A group of "+" covers STATE too; a second filter would bring it twice.
    if (this.#hostId !== '' && !config.groups.includes('+')) filters.set(stateTopic(this.#hostId), 1);
    this.#link = new ClientLink(
      {
        sourceId: config.id,
        clientId: config.broker.clientId ?? `sm-edge-${deps.gatewayId}-${config.id}`,
        // A host starts clean (5.2): births and deaths that a broker kept would be of another time.
        broker: { ...config.broker, sessionExpiry: 0, statusTopic: '' },
        maxPayloadBytes: config.maxPayload,
        filters,
        take: (message) => this.#take(message),
        will: () => {
          this.#stateTimestampMs = deps.clock.nowMs();
          return this.#state(false);
        },
        farewell: () => this.#state(false),
        opened: (session) => {
          this.#session = session;
          this.#publishState();
        },
        lost: () => {
          this.#session = undefined;
          this.#rebirths.stop();
          this.#host.linkLost();
          this.#tellNodes();
        },
      },
      deps,
      this.#condition,
      this.#mqttMetrics,
    );
  }

  get status(): SourceStatus {
    return this.#condition.status;
  }

  start(): Promise<void> {
    return this.#link.start();
  }

  stop(): Promise<void> {
    this.#rebirths.stop();
    return this.#link.stop();
  }

  #take({ topic, payload, repeated }: Message): Decoded | undefined {
    this.#mqttMetrics.message();
    if (this.#hostId !== '' && topic === stateTopic(this.#hostId)) {
      this.#ownState(payload);
      return undefined;
    }
    const parsed = sparkplugTopic(topic);
    if (parsed === undefined) {
      // Commands to nodes and the STATE of other hosts come by the same filter: they are not for us.
      if (!/^spBv1\.0\/(STATE\/|[^/]+\/[ND]CMD\/)/.test(topic)) this.#mqttMetrics.unusable('unmatched');
      return undefined;
    }
    if (payload.length > this.#config.maxPayload) {
      this.#report(
        topic,
        'size',
        `${payload.length} bytes are more than maxPayload (${this.#config.maxPayload})`,
      );
      return undefined;
    }
    return this.#decode(topic, parsed, payload, repeated);
  }

  #decode(
    topic: string,
    parsed: SparkplugTopic,
    payload: Uint8Array,
    repeated: boolean,
  ): Decoded | undefined {
    try {
      const decoded = this.#host.take(parsed, payload, { timeMs: this.#deps.clock.nowMs(), repeated });
      this.#mqttMetrics.stream(decoded.gaps ?? 0, decoded.lostBlocks ?? 0);
      if (decoded.partial !== undefined) this.#report(topic, 'payload', decoded.partial.message);
      return decoded;
    } catch (thrown) {
      this.#report(topic, 'payload', toSmEdgeError(thrown).message);
      return undefined;
    }
  }

  #report(topic: string, reason: UnusableReason, message: string): void {
    this.#mqttMetrics.unusable(reason);
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - (this.#reported.get(topic) ?? Number.NEGATIVE_INFINITY) < REPORT_INTERVAL_MS) return;
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear();
    this.#reported.set(topic, nowMs);
    this.#deps.logger.warn({ topic }, `a message on ${topic} cannot be used: ${message}`);
  }

  #state(online: boolean): OwnMessage | undefined {
    if (this.#hostId === '') return undefined;
    const payload = JSON.stringify({ online, timestamp: this.#stateTimestampMs });
    return { topic: stateTopic(this.#hostId), payload };
  }

  #publishState(): void {
    const state = this.#state(true);
    if (state !== undefined)
      this.#session?.publish(state.topic, Buffer.from(state.payload), { qos: 1, retain: true });
  }

  /** The late will of an earlier connection would leave us offline in the eyes of the nodes (5.9). */
  #ownState(payload: Uint8Array): void {
    try {
      const { online } = JSON.parse(Buffer.from(payload).toString('utf8')) as { online?: unknown };
      if (online === false) this.#publishState();
    } catch {
      this.#publishState();
    }
  }

  #askRebirth(group: string, node: string, reason: RebirthReason): boolean {
    if (!this.#config.rebirth || this.#session === undefined) return false;
    const timestamp = this.#deps.clock.nowMs();
    const metric = {
      name: 'Node Control/Rebirth',
      timestamp,
      datatype: DATA_TYPE.Boolean,
      booleanValue: true,
    };
    const command = encodeWire({ timestamp, metrics: [metric] });
    this.#session.publish(nodeCommandTopic(group, node), command, { qos: 0, retain: false });
    this.#metrics.rebirth(reason);
    this.#deps.logger.info({ group, node, reason }, 'the edge node is asked to be born again');
    return true;
  }

  #tellNodes(): void {
    const { offline, online } = this.#host;
    this.#metrics.nodes(online, offline.length);
    const names = offline.slice(0, MAX_NAMED).join(', ') + (offline.length > MAX_NAMED ? ', …' : '');
    const text =
      offline.length === 1 ? 'an edge node is offline' : `${offline.length} edge nodes are offline`;
    this.#condition.trouble('nodes', offline.length === 0 ? undefined : `${text}: ${names}`);
  }
}
