import type { IClientOptions, IPublishPacket, MqttClient } from 'mqtt';
import { withDeadline } from '../../base/deadline.js';
import type { SmEdgeError } from '../../base/errors.js';
import type { SourceDeps } from '../part.js';
import type { Decoded } from '../payloads/payload.js';
import { Collector } from './collector.js';
import type { Message } from './intake.js';
import { notStored } from './link-fault.js';
import type { MqttMetrics } from './mqtt-metrics.js';
import type { OwnMessage } from './status-message.js';

/** Payload bytes taken but not acknowledged at which no more is read from the broker. */
const MAX_HELD_BYTES = 32 << 20;
/** How long a stop waits for what is under way: a source has 5 s to stop. */
const DRAIN_TIMEOUT_MS = 3_000;
const RELEASE_TIMEOUT_MS = 500;
const DISCONNECT_TIMEOUT_MS = 1_000;
const SUBSCRIBE_TIMEOUT_MS = 15_000;

const PUBACK = 0x40;
const PUBREC = 0x50;

interface Ack {
  readonly messageId: number;
  readonly qos: 1 | 2;
}

/** The packet identifiers of QoS 2 messages that are stored and wait for their PUBREL: part of the MQTT session. */
export type ReleasePending = Set<number>;

export interface SessionOptions {
  readonly connect: (url: string, options: IClientOptions) => MqttClient;
  readonly url: string;
  readonly clientOptions: IClientOptions;
  readonly maxInFlight: number;
  readonly releasePending: ReleasePending;
  readonly intake: { take(message: Message): Decoded | undefined };
  readonly deps: SourceDeps;
  readonly metrics: MqttMetrics;
}

/**
 * One connection to a broker, from CONNECT to the end of the socket; a new one is made after each loss.
 *
 * mqtt.js acknowledges by itself: QoS 1 after `handleMessage`, QoS 2 at once, and it takes the next packet only
 * after that, one at a time. Neither that callback nor `customHandleAcks` (MQTT 5 alone) lets many messages wait
 * for the disk together, and then each would cost an fsync. So the QoS is taken off an incoming PUBLISH before
 * mqtt.js handles it, which makes it acknowledge nothing, and the PUBACK or PUBREC is written here, in order, when
 * the store has the message. For QoS 2 that is the PUBREC: with it the broker lets go of the payload.
 */
export class ClientSession {
  readonly #options: SessionOptions;
  readonly #client: MqttClient;
  readonly #collector: Collector<Ack>;
  /** QoS 2 messages of this connection that are not stored yet. */
  readonly #storing = new Set<number>();
  readonly #opened: Promise<boolean>;
  readonly #closed: Promise<unknown>;
  #resume: (() => void) | undefined;
  #onAllReleased: (() => void) | undefined;
  #stopping = false;
  #fault: unknown;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#collector = new Collector<Ack>(options.deps.sink, {
      release: (acks) => this.#acknowledge(acks),
      refused: (error) => this.#notStored(error),
      changed: () => this.#progress(),
    });
    const client = options.connect(options.url, options.clientOptions);
    this.#client = client;
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'publish') this.#take(packet);
      else if (packet.cmd === 'pubrel') this.#released(packet.messageId ?? 0);
      else if (packet.cmd === 'disconnect')
        this.#fault ??= { code: packet.reasonCode, message: 'DISCONNECT' };
    });
    client.handleMessage = (_packet, next) => {
      if (this.#mayTakeMore()) next();
      else this.#resume = () => next();
    };
    client.on('error', (error) => {
      this.#fault ??= error;
    });
    this.#opened = new Promise((resolve, reject) => {
      client.once('connect', (connack) => resolve(connack.sessionPresent));
      client.once('close', () => reject(this.#fault ?? { code: 'ECONNRESET' }));
    });
    this.#opened.catch(() => undefined);
    this.#closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#collector.close();
        resolve(this.#fault ?? { code: 'ECONNRESET' });
      });
    });
  }

  /** Resolves with session-present once the broker accepted the connection. */
  get opened(): Promise<boolean> {
    return this.#opened;
  }

  /** Resolves with the reason when the connection is gone. */
  get closed(): Promise<unknown> {
    return this.#closed;
  }

  /** Subscribes and resolves with the filters that the broker refused. */
  async subscribe(
    filters: ReadonlyMap<string, 0 | 1 | 2>,
  ): Promise<{ refused: string[]; lowered: string[] }> {
    const asked = [...filters];
    // rh 1: no retained messages again for a subscription that the session already has (MQTT 5, 3.8.3.1).
    const map = Object.fromEntries(asked.map(([filter, qos]) => [filter, { qos, rh: 1 }]));
    const granted = await this.#request<readonly number[]>('subscribe', (resolve, reject) => {
      this.#client.subscribe(map, (error, _subscriptions, packet) => {
        const codes = packet?.granted;
        if (codes === undefined) reject(error);
        else resolve(codes as number[]);
      });
    });
    const refused = asked.filter((_, i) => (granted[i] ?? 0x80) >= 0x80);
    const lowered = asked.filter(([, qos], i) => (granted[i] ?? 0) < qos);
    return { refused: refused.map(([filter]) => filter), lowered: lowered.map(([filter]) => filter) };
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    await this.#request<void>('unsubscribe', (resolve, reject) => {
      this.#client.unsubscribe([...filters], (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Publishes what the gateway says about itself; it is not kept for later where the link is gone. */
  announce({ topic, payload, retain = true }: OwnMessage): void {
    this.publish(topic, Buffer.from(payload as string), { qos: 0, retain });
  }

  /** Publishes a message of this gateway; like all of its own, it is not kept for later where the link is gone. */
  publish(topic: string, payload: Buffer, options: { readonly qos: 0 | 1; readonly retain: boolean }): void {
    if (this.#client.connected) this.#client.publish(topic, payload, options);
  }

  /** Bytes published that the network has not taken yet. */
  get unsentBytes(): number {
    return this.#client.stream?.writableLength ?? 0;
  }

  /** Breaks the connection off: what is not acknowledged comes again. */
  fail(reason: SmEdgeError): void {
    this.#fail(reason);
  }

  /** Ends the connection in order, for a reason of this gateway; a new one is made. */
  async leave(reason: SmEdgeError, farewell: OwnMessage): Promise<void> {
    this.#fault ??= reason;
    await this.stop(farewell);
  }

  /** Takes no more messages, hands over and acknowledges those under way, says good-bye. */
  async stop(farewell?: OwnMessage): Promise<void> {
    this.#stopping = true;
    const { clock } = this.#options.deps;
    await withDeadline(clock, 'mqtt drain', DRAIN_TIMEOUT_MS, this.#collector.drain()).catch(() => undefined);
    // mqtt.js answers a PUBREL that comes after its DISCONNECT into the closed socket, whose reset then takes
    // our last PUBRECs with it: so the PUBRELs are waited for.
    const released = new Promise<void>((resolve) => {
      this.#onAllReleased = resolve;
      if (this.#options.releasePending.size === 0) resolve();
    });
    await withDeadline(
      clock,
      'mqtt release',
      RELEASE_TIMEOUT_MS,
      Promise.race([released, this.#closed]),
    ).catch(() => undefined);
    if (!this.#client.connected) return this.#destroy();
    if (farewell !== undefined) this.announce(farewell);
    const ended = this.#client.endAsync(false).then(() => this.#closed);
    await withDeadline(clock, 'mqtt disconnect', DISCONNECT_TIMEOUT_MS, ended).catch(() => this.#destroy());
  }

  #request<T>(
    name: string,
    send: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    return withDeadline(this.#options.deps.clock, `mqtt ${name}`, SUBSCRIBE_TIMEOUT_MS, new Promise<T>(send));
  }

  #take(packet: IPublishPacket): void {
    const { qos, messageId = 0 } = packet;
    packet.qos = 0;
    if (this.#stopping) return;
    const payload = packet.payload as Buffer;
    if (qos === 2) {
      if (this.#storing.has(messageId)) return;
      if (this.#options.releasePending.has(messageId)) {
        // Stored before the link was lost, but the PUBREC did not get through: it is not stored twice.
        this.#collector.hold(undefined, 0, { messageId, qos });
        return;
      }
      this.#storing.add(messageId);
    }
    const decoded = this.#options.intake.take({
      topic: packet.topic,
      payload,
      retained: packet.retain,
      repeated: packet.dup,
    });
    if (qos === 0) this.#collector.offer(decoded, payload.length);
    else this.#collector.hold(decoded, payload.length, { messageId, qos });
  }

  #released(messageId: number): void {
    const { releasePending } = this.#options;
    releasePending.delete(messageId);
    if (releasePending.size === 0) this.#onAllReleased?.();
  }

  #mayTakeMore(): boolean {
    const { heldMessages, heldBytes } = this.#collector;
    return heldMessages < this.#options.maxInFlight && heldBytes < MAX_HELD_BYTES;
  }

  /** One write for all that became due: PUBACK and PUBREC are four bytes each in both MQTT versions. */
  #acknowledge(acks: readonly Ack[]): void {
    if (!this.#client.connected) return;
    const bytes = Buffer.allocUnsafe(acks.length * 4);
    let position = 0;
    for (const { messageId, qos } of acks) {
      if (qos === 2) {
        this.#storing.delete(messageId);
        this.#options.releasePending.add(messageId);
      }
      bytes[position++] = qos === 1 ? PUBACK : PUBREC;
      bytes[position++] = 2;
      bytes[position++] = messageId >> 8;
      bytes[position++] = messageId & 0xff;
    }
    this.#client.stream.write(bytes);
    this.#options.metrics.acknowledged(acks.length);
  }

  #progress(): void {
    this.#options.metrics.inFlight(this.#collector.heldMessages);
    if (this.#resume !== undefined && this.#mayTakeMore()) {
      const resume = this.#resume;
      this.#resume = undefined;
      resume();
    }
  }

  #notStored(thrown: unknown): void {
    this.#options.metrics.storeRefusal();
    this.#fail(notStored(thrown));
  }

  #fail(error: unknown): void {
    this.#fault = error;
    this.#destroy();
  }

  #destroy(): void {
    this.#collector.close();
    this.#client.end(true);
  }
}
