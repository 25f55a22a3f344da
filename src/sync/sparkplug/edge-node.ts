import { DATA_TYPE } from '../../sources/sparkplug/metric.js';
import { encodeWire } from '../../sources/sparkplug/proto.js';
import { NAMESPACE } from '../../sources/sparkplug/topic.js';
import type { NodeMetric } from './metrics-of-view.js';

/** A message of this node; never retained, QoS 0, but its NDEATH (Eclipse Sparkplug 3.0.0, 5.4 and 5.5). */
export interface NodeMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

export interface EdgeNodeOptions {
  readonly group: string;
  readonly node: string;
  readonly maxMetrics: number;
  /** Changes kept while nobody listens. */
  readonly keep: number;
}

/** What was announced of a metric, and what was last told of it. */
interface Known {
  readonly alias: number;
  readonly told: NodeMetric;
}

interface Kept extends NodeMetric {
  readonly alias: number;
}

const SEQUENCE = 256;
/** Metrics in one message of data: a few tens of kilobytes, which every broker takes. */
const METRICS_PER_MESSAGE = 500;

/**
 * The state of a Sparkplug B edge node (Eclipse Sparkplug 3.0.0, chapters 5 and 6): what its births announced, under
 * which aliases, the sequence numbers, and what has changed since. Without I/O and time.
 */
export class EdgeNode {
  readonly #options: EdgeNodeOptions;
  readonly #known = new Map<string, Known>();
  readonly #devices = new Set<string>();
  /** Oldest first. */
  #kept: Kept[] = [];
  #seq = 0;
  #dropped = 0;
  #leftOut = 0;

  constructor(options: EdgeNodeOptions) {
    this.#options = options;
  }

  /** Changes that are kept for later. */
  get kept(): number {
    return this.#kept.length;
  }

  /** Changes dropped from the full memory since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Metrics of the newest view over `maxMetrics`. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Registered as last will before the connection, published before an orderly end; without a sequence number. */
  death(bdSeq: number, nowMs: number): NodeMessage {
    return {
      topic: this.#topic('NDEATH'),
      payload: encodeWire({ timestamp: nowMs, metrics: [bdSeqMetric(bdSeq, nowMs)] }),
    };
  }

  /** The birth of the node and of all its devices, with the values of now. What was kept is not touched. */
  births(metrics: readonly NodeMetric[], bdSeq: number, nowMs: number): NodeMessage[] {
    this.#seq = 0;
    this.#devices.clear();
    const own = [
      bdSeqMetric(bdSeq, nowMs),
      {
        name: 'Node Control/Rebirth',
        timestamp: nowMs,
        datatype: DATA_TYPE.Boolean,
        booleanValue: false,
      },
    ];
    const groups = this.#byDevice(metrics, nowMs);
    const node = [...own, ...(groups.get(undefined) ?? []).map((metric) => this.#announce(metric))];
    const messages = [this.#message('NBIRTH', undefined, node, nowMs)];
    for (const [device, ofDevice] of groups)
      if (device !== undefined) messages.push(this.#deviceBirth(device, ofDevice, nowMs));
    return messages;
  }

  /**
   * What changed since the last call or birth. A device with a metric that it was not born with is born again; for a
   * new metric of the node itself the whole node has to be: then the answer is undefined.
   */
  changes(metrics: readonly NodeMetric[], nowMs: number): NodeMessage[] | undefined {
    const messages: NodeMessage[] = [];
    for (const [device, ofDevice] of this.#byDevice(metrics, nowMs)) {
      const isBorn = device === undefined || this.#devices.has(device);
      if (!isBorn || ofDevice.some((metric) => !this.#isKnown(metric))) {
        if (device === undefined) return undefined;
        messages.push(this.#deviceBirth(device, ofDevice, nowMs));
        continue;
      }
      const changed = ofDevice.flatMap((metric) => {
        const known = this.#changed(metric);
        return known === undefined ? [] : [wireOf(metric, known.alias)];
      });
      messages.push(...this.#data(device, changed, nowMs));
    }
    return messages;
  }

  /** Nobody listens: what changed is kept with its time. */
  hold(metrics: readonly NodeMetric[], nowMs: number): void {
    const { keep } = this.#options;
    for (const ofDevice of this.#byDevice(metrics, nowMs).values()) {
      for (const metric of ofDevice) {
        const known = this.#changed(metric);
        if (known !== undefined) this.#kept.push({ ...metric, alias: known.alias });
      }
    }
    // A tenth more, so that not every further change moves them all.
    if (this.#kept.length > keep * 1.1 + 1) {
      this.#dropped += this.#kept.length - keep;
      this.#kept = keep === 0 ? [] : this.#kept.slice(-keep);
    }
  }

  /** What was kept, flagged as historical (6.4.6), at most so many messages; after the births. */
  historical(nowMs: number, maxMessages: number): NodeMessage[] {
    const taken = this.#kept.splice(0, maxMessages * METRICS_PER_MESSAGE);
    return [...byDevice(taken)].flatMap(([device, ofDevice]) => {
      const wires = ofDevice.map((metric) => ({ ...wireOf(metric, metric.alias), isHistorical: true }));
      return this.#data(device, wires, nowMs);
    });
  }

  #deviceBirth(device: string, metrics: readonly NodeMetric[], nowMs: number): NodeMessage {
    this.#devices.add(device);
    return this.#message(
      'DBIRTH',
      device,
      metrics.map((metric) => this.#announce(metric)),
      nowMs,
    );
  }

  #data(device: string | undefined, wires: readonly object[], nowMs: number): NodeMessage[] {
    const messages: NodeMessage[] = [];
    const type = device === undefined ? 'NDATA' : 'DDATA';
    for (let from = 0; from < wires.length; from += METRICS_PER_MESSAGE)
      messages.push(this.#message(type, device, wires.slice(from, from + METRICS_PER_MESSAGE), nowMs));
    return messages;
  }

  /** The metrics by device: those over the limit that were not there before are left out, those that went are null. */
  #byDevice(metrics: readonly NodeMetric[], nowMs: number): Map<string | undefined, NodeMetric[]> {
    let free = this.#options.maxMetrics - this.#known.size;
    this.#leftOut = 0;
    const seen = new Set<string>();
    const taken = metrics.filter((metric) => {
      const key = keyOf(metric);
      seen.add(key);
      if (this.#known.has(key) || free-- > 0) return true;
      this.#leftOut++;
      return false;
    });
    for (const [key, { told }] of this.#known)
      if (!seen.has(key))
        taken.push(told.value === null ? told : { ...told, value: null, timestampMs: nowMs });
    return byDevice(taken);
  }

  #isKnown(metric: NodeMetric): boolean {
    return this.#known.get(keyOf(metric))?.told.datatype === metric.datatype;
  }

  /** Takes a metric for the last told one; aliases stay with their names as long as the process runs. */
  #remember(metric: NodeMetric): Known {
    const key = keyOf(metric);
    const known = { alias: this.#known.get(key)?.alias ?? this.#known.size + 1, told: metric };
    this.#known.set(key, known);
    return known;
  }

  #changed(metric: NodeMetric): Known | undefined {
    const told = this.#known.get(keyOf(metric))?.told;
    const isSame = told !== undefined && told.value === metric.value && told.quality === metric.quality;
    return isSame ? undefined : this.#remember(metric);
  }

  #announce(metric: NodeMetric): object {
    const { alias } = this.#remember(metric);
    return { name: metric.name, ...wireOf(metric, alias, true) };
  }

  #message(type: string, device: string | undefined, metrics: readonly object[], nowMs: number): NodeMessage {
    const seq = this.#seq;
    this.#seq = (seq + 1) % SEQUENCE;
    return { topic: this.#topic(type, device), payload: encodeWire({ timestamp: nowMs, seq, metrics }) };
  }

  #topic(type: string, device?: string): string {
    const { group, node } = this.#options;
    return [NAMESPACE, group, type, node, ...(device === undefined ? [] : [device])].join('/');
  }
}

function byDevice<T extends NodeMetric>(metrics: readonly T[]): Map<string | undefined, T[]> {
  const groups = new Map<string | undefined, T[]>();
  for (const metric of metrics) {
    const group = groups.get(metric.device);
    if (group === undefined) groups.set(metric.device, [metric]);
    else group.push(metric);
  }
  return groups;
}

const keyOf = ({ device, name }: NodeMetric): string => (device === undefined ? name : `${device}/${name}`);

const bdSeqMetric = (bdSeq: number, nowMs: number) => ({
  name: 'bdSeq',
  timestamp: nowMs,
  datatype: DATA_TYPE.Int64,
  longValue: bdSeq,
});

/** Int32 property (6.4.14). */
const QUALITY_TYPE = DATA_TYPE.Int32;

function wireOf(
  { datatype, value, timestampMs, quality, unit }: NodeMetric,
  alias: number,
  isBirth = false,
): object {
  const properties = {
    keys: ['Quality', ...(isBirth && unit !== undefined ? ['engUnit'] : [])],
    values: [
      { type: QUALITY_TYPE, intValue: quality },
      ...(isBirth && unit !== undefined ? [{ type: DATA_TYPE.String, stringValue: unit }] : []),
    ],
  };
  return { alias, timestamp: Math.round(timestampMs), datatype, ...wireValue(datatype, value), properties };
}

function wireValue(datatype: number, value: number | string | null): object {
  if (value === null) return { isNull: true };
  if (typeof value === 'string') return { stringValue: value };
  return datatype === DATA_TYPE.Double ? { doubleValue: value } : { intValue: value };
}
