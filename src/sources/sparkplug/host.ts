import { SmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import type { Arrival, Decoded } from '../payloads/payload.js';
import { decodePayload, type Payload } from './metric.js';
import { MetricTable, Taken } from './metric-table.js';
import type { PointRules } from './point-rules.js';
import type { SparkplugTopic } from './topic.js';

/** Why a node is asked to be born again. */
export type RebirthReason = 'unborn' | 'sequence' | 'unknown-metric' | 'unborn-device';

/** What a message did, beside its readings. */
export interface HostEvents {
  /** The node should be asked to be born again. */
  rebirth(group: string, node: string, reason: RebirthReason): void;
  /** A node was born. */
  born(group: string, node: string): void;
  /** Messages of a node were lost: so many, as far as the sequence tells (modulo 256). */
  lost(group: string, node: string, messages: number): void;
  /** A node came or went. */
  changed(): void;
}

interface EdgeNode {
  readonly group: string;
  readonly node: string;
  readonly table: MetricTable;
  online: boolean;
  /** Born since the link to the broker was made. */
  born: boolean;
  /** Birth/death sequence of the last NBIRTH: an NDEATH counts only with the same. */
  bdSeq: number | undefined;
  seq: number;
  readonly devices: Set<string>;
}

export interface HostOptions {
  readonly rules: PointRules;
  readonly maxNodes: number;
  readonly maxMetrics: number;
  readonly events: HostEvents;
}

const SEQUENCE = 256;

/**
 * The state of a Sparkplug B host application (Eclipse Sparkplug 3.0.0, chapter 5): which nodes and devices are
 * online, what their births announced, and whether a message was lost on the way. Without I/O and time.
 */
export class SparkplugHost {
  readonly #options: HostOptions;
  readonly #nodes = new Map<string, EdgeNode>();

  constructor(options: HostOptions) {
    this.#options = options;
  }

  /** Nodes that died and have not come back, as `group/node`; those that were never born are not known. */
  get offline(): string[] {
    return [...this.#nodes.values()]
      .filter(({ online, born }) => born && !online)
      .map(({ group, node }) => `${group}/${node}`);
  }

  get online(): number {
    return [...this.#nodes.values()].filter(({ online }) => online).length;
  }

  /** The link to the broker is gone: what nodes do meanwhile is not known, so each must be born again. */
  linkLost(): void {
    for (const node of this.#nodes.values()) {
      node.online = false;
      node.born = false;
      node.devices.clear();
    }
  }

  /** @throws SmEdgeError `PAYLOAD_INVALID` for a payload that is none, and for nodes over the limit */
  take(topic: SparkplugTopic, bytes: Uint8Array, arrival: Arrival): Decoded {
    const payload = decodePayload(bytes);
    const node = this.#nodeOf(topic);
    const out = new Taken();
    const readings = this.#apply(node, topic, payload, arrival, out);
    if (out.fault !== undefined && readings.length + out.readings.length + out.blocks.length === 0)
      throw out.fault;
    return {
      readings: [...readings, ...out.readings],
      blocks: out.blocks,
      deviceTime: true,
      gaps: out.gaps,
      lostBlocks: out.lostBlocks,
      ...(out.fault === undefined ? {} : { partial: out.fault as NonNullable<Decoded['partial']> }),
    };
  }

  #nodeOf({ group, node }: SparkplugTopic): EdgeNode {
    const key = `${group}/${node}`;
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const { maxNodes, maxMetrics, rules } = this.#options;
    if (this.#nodes.size >= maxNodes)
      throw new SmEdgeError('SPARKPLUG_NODES', `there are already ${maxNodes} edge nodes (maxNodes)`);
    const created: EdgeNode = {
      group,
      node,
      table: new MetricTable({ group, node }, rules, maxMetrics),
      online: false,
      born: false,
      bdSeq: undefined,
      seq: 0,
      devices: new Set(),
    };
    this.#nodes.set(key, created);
    return created;
  }

  /** What the message says of others than its own metrics: the readings of what died. */
  #apply(node: EdgeNode, topic: SparkplugTopic, payload: Payload, arrival: Arrival, out: Taken): Reading[] {
    const { type, device } = topic;
    if (type === 'NBIRTH') {
      this.#born(node, payload);
      this.#announce(node, undefined, payload, arrival, out);
      return [];
    }
    if (type === 'NDEATH') return this.#nodeDied(node, payload, arrival);
    if (!node.online) {
      this.#options.events.rebirth(node.group, node.node, 'unborn');
      return [];
    }
    this.#follow(node, payload);
    if (type === 'DBIRTH') {
      node.devices.add(device!);
      node.table.clear(device);
      this.#announce(node, device, payload, arrival, out);
    } else if (type === 'DDEATH') {
      node.devices.delete(device!);
      return node.table.stale(device, false, arrival.timeMs);
    } else if (type === 'DDATA' && !node.devices.has(device!)) {
      this.#options.events.rebirth(node.group, node.node, 'unborn-device');
    } else {
      for (const metric of payload.metrics)
        node.table.take(metric, device, payload.timestampMs, arrival, out);
      if (out.unknown > 0) this.#options.events.rebirth(node.group, node.node, 'unknown-metric');
    }
    return [];
  }

  #born(node: EdgeNode, payload: Payload): void {
    node.table.clear();
    node.devices.clear();
    node.seq = payload.seq ?? 0;
    const bdSeq = payload.metrics.find(({ name }) => name === 'bdSeq');
    node.bdSeq = bdSeq === undefined ? undefined : bdSeqOf(bdSeq);
    const changed = !node.online;
    node.online = true;
    node.born = true;
    this.#options.events.born(node.group, node.node);
    if (changed) this.#options.events.changed();
  }

  #announce(
    node: EdgeNode,
    device: string | undefined,
    payload: Payload,
    arrival: Arrival,
    out: Taken,
  ): void {
    for (const metric of payload.metrics) {
      if (device === undefined && metric.name === 'bdSeq') continue;
      node.table.announce(metric, device, out);
    }
    // After all are announced: a birth holds the current value of each.
    const ignored = new Taken();
    for (const metric of payload.metrics)
      node.table.take(metric, device, payload.timestampMs, arrival, ignored);
    out.readings.push(...ignored.readings);
    out.blocks.push(...ignored.blocks);
    out.fault ??= ignored.fault;
  }

  #nodeDied(node: EdgeNode, payload: Payload, arrival: Arrival): Reading[] {
    const metric = payload.metrics.find(({ name }) => name === 'bdSeq');
    const bdSeq = metric === undefined ? undefined : bdSeqOf(metric);
    // The will of an earlier connection may come after the birth of the next.
    if (!node.online || (bdSeq !== undefined && node.bdSeq !== undefined && bdSeq !== node.bdSeq)) return [];
    node.online = false;
    node.devices.clear();
    this.#options.events.changed();
    return node.table.stale(undefined, true, arrival.timeMs);
  }

  /** Every message of a node and its devices counts up by one, from 0 to 255 and on from 0. */
  #follow(node: EdgeNode, { seq }: Payload): void {
    if (seq === undefined) return;
    const expected = (node.seq + 1) % SEQUENCE;
    if (seq !== expected) {
      this.#options.events.lost(node.group, node.node, (seq - expected + SEQUENCE) % SEQUENCE);
      this.#options.events.rebirth(node.group, node.node, 'sequence');
    }
    node.seq = seq;
  }
}

function bdSeqOf({ wire }: Payload['metrics'][number]): number | undefined {
  for (const key of ['longValue', 'intValue'] as const)
    if (Object.hasOwn(wire, key)) return Number(String(wire[key]));
  return undefined;
}
