import type { MqttClient } from 'mqtt';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { type LivePublisher, sparkplugNodePart } from '#sm/sync/sparkplug/index.js';
import type { NodeView, PublishedPoint } from '#sm/sync/sparkplug/metrics-of-view.js';
import { publisher } from '../../sources/mqtt/support.js';
import { decodePayload } from '../../sources/sparkplug/edge-node.js';

export type Decoded = ReturnType<typeof decodePayload>;

export interface Heard {
  readonly type: string;
  /** `node` or `node/device`. */
  readonly of: string;
  /** As the decoder of Eclipse Tahu reads it. */
  readonly payload: Decoded;
}

/** What the gateway shows, to be changed by a test. */
export class Board {
  timeMs = 1_750_000_000_000;
  readonly points = new Map<string, PublishedPoint>();
  alarms: NodeView['alarms'] = [];

  set(point: string, value: number | undefined, more: Partial<PublishedPoint> = {}): void {
    this.timeMs += 1000;
    this.points.set(point, {
      point,
      unit: 'mm/s',
      value,
      timeMs: this.timeMs,
      score: undefined,
      threshold: undefined,
      diagnosis: undefined,
      quality: value === undefined ? 'bad' : 'good',
      ...more,
    });
  }

  view(): NodeView {
    const ids = [...new Set([...this.points.keys()].map((point) => point.split('.')[0]!))];
    const machines = ids.map((id) => ({
      id,
      health: undefined,
      points: [...this.points.values()].filter(({ point }) => point.startsWith(`${id}.`)),
    }));
    return { timeMs: this.timeMs, machines, alarms: this.alarms, sources: [{ state: 'good' }] };
  }
}

/** A client of the broker that reads everything of Sparkplug with the decoder of Eclipse Tahu. */
export async function listen(url: string): Promise<{ client: MqttClient; heard: Heard[] }> {
  const client = await publisher(url);
  const heard: Heard[] = [];
  client.on('message', (topic, bytes) => {
    const [, , type, ...of] = topic.split('/');
    if (/^[ND](BIRTH|DATA|DEATH)$/.test(type!))
      heard.push({ type: type!, of: of.join('/'), payload: decodePayload(bytes) });
  });
  await client.subscribeAsync('spBv1.0/plant/#', { qos: 1 });
  return { client, heard };
}

export async function startNode(
  url: string,
  board: Board,
  config: object = {},
  kept = new Map<string, string>(),
): Promise<{ node: LivePublisher; metrics: Metrics }> {
  const metrics = new Metrics();
  const parsed = sparkplugNodePart.configSchema.parse({
    broker: { url, version: 4 },
    group: 'plant',
    interval: '100ms',
    ...config,
  });
  const node = await sparkplugNodePart.create(parsed, {
    gatewayId: 'gw-1',
    site: 'plant-3',
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics,
    memory: { read: (key) => kept.get(key), write: (key, value) => void kept.set(key, value) },
    view: () => board.view(),
  });
  await node.start();
  return { node, metrics };
}

/** Names (or aliases) and values of a payload. */
export const valuesOf = ({ payload }: Heard): unknown[] =>
  (payload.metrics ?? []).map(({ name, alias, value }) => [name ?? Number(alias), value]);
