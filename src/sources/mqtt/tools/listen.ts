import { type Clock, sleep } from '../../../base/clock.js';
import { clientOptions } from '../client-options.js';
import type { ExternalBroker } from '../config.js';
import { linkFault } from '../link-fault.js';

/** What was heard on one topic. */
export interface HeardTopic {
  readonly topic: string;
  messages: number;
  /** Of them, those that the broker had kept from before. */
  retained: number;
  bytes: number;
  firstMs: number;
  lastMs: number;
  highestQos: number;
  /** The last payloads, oldest first. */
  readonly payloads: Uint8Array[];
}

export interface ListenOptions {
  readonly broker: ExternalBroker;
  readonly filters: readonly string[];
  readonly durationMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Ends before the time is over when it answers true. */
  enough?(topics: ReadonlyMap<string, HeardTopic>): boolean;
  onProgress(elapsedMs: number, topics: number): void;
}

export interface Heard {
  readonly topics: readonly HeardTopic[];
  readonly messages: number;
  /** Messages of topics beyond the limit. */
  readonly unheard: number;
  readonly durationMs: number;
  readonly refused: readonly string[];
}

const MAX_TOPICS = 5_000;
const MAX_PAYLOADS = 4;
const MAX_PAYLOAD_BYTES = 256 << 10;
const MAX_BYTES = 64 << 20;
const PROGRESS_MS = 200;

/**
 * Listens to a broker for a while, with a clean session at QoS 0: nothing is acknowledged, and nothing is left behind.
 * @throws SmEdgeError `MQTT_LINK` where the broker cannot be reached or throws the listener out
 */
export async function listen(options: ListenOptions): Promise<Heard> {
  const { broker, clock, durationMs, signal } = options;
  const { default: mqtt } = await import('mqtt');
  const common = await clientOptions(
    { ...broker, sessionExpiry: 0 },
    broker.clientId ?? `sm-edge-scan-${process.pid}`,
    MAX_PAYLOAD_BYTES,
  );
  const topics = new Map<string, HeardTopic>();
  let [messages, unheard, kept] = [0, 0, 0];
  const client = mqtt.connect(broker.url, common);
  let fault: unknown;
  client.on('error', (error) => {
    fault ??= error;
  });
  client.on('message', (topic, payload, packet) => {
    messages++;
    let heard = topics.get(topic);
    if (heard === undefined) {
      if (topics.size >= MAX_TOPICS) {
        unheard++;
        return;
      }
      const nowMs = clock.monotonicMs();
      heard = {
        topic,
        messages: 0,
        retained: 0,
        bytes: 0,
        firstMs: nowMs,
        lastMs: nowMs,
        highestQos: 0,
        payloads: [],
      };
      topics.set(topic, heard);
    }
    heard.messages++;
    if (packet.retain) heard.retained++;
    else heard.lastMs = clock.monotonicMs();
    if (heard.messages === heard.retained) heard.firstMs = heard.lastMs;
    heard.bytes += payload.length;
    heard.highestQos = Math.max(heard.highestQos, packet.qos);
    if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES || kept + payload.length > MAX_BYTES)
      return;
    kept += payload.length;
    heard.payloads.push(payload);
    if (heard.payloads.length > MAX_PAYLOADS) kept -= heard.payloads.shift()!.length;
  });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('close', () => reject(fault ?? { code: 'ECONNRESET' }));
    });
    const granted = await client.subscribeAsync([...options.filters], { qos: 0 });
    const refused = granted.filter(({ qos }) => qos >= 0x80).map(({ topic }) => topic);
    const startMs = clock.monotonicMs();
    let lost = false;
    client.once('close', () => {
      lost = true;
    });
    for (;;) {
      const elapsedMs = clock.monotonicMs() - startMs;
      options.onProgress(elapsedMs, topics.size);
      if (lost) throw fault ?? { code: 'ECONNRESET' };
      if (elapsedMs >= durationMs || signal.aborted || options.enough?.(topics) === true) break;
      await sleep(clock, 'mqtt listen', Math.min(PROGRESS_MS, durationMs - elapsedMs), signal);
    }
    const heard = [...topics.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
    return { topics: heard, messages, unheard, durationMs: clock.monotonicMs() - startMs, refused };
  } catch (thrown) {
    throw linkFault(thrown, broker.url);
  } finally {
    client.removeAllListeners('close');
    await client.endAsync(true);
  }
}

/** Mean time between two messages of a topic, retained ones left out. */
export function intervalMsOf({ messages, retained, firstMs, lastMs }: HeardTopic): number | undefined {
  const live = messages - retained;
  return live < 2 || lastMs <= firstMs ? undefined : (lastMs - firstMs) / (retained > 0 ? live : live - 1);
}
