import { createHash, timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Aedes, AedesPublishPacket, AuthenticateError, Client } from 'aedes';
import { SmEdgeError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import {
  limitQueues,
  MAX_SUBSCRIPTIONS,
  type QueuePersistence,
  RetainedLimit,
  SessionLimit,
} from './broker-limits.js';
import type { EmbeddedBrokerConfig } from './config.js';

/** A message that a client publishes, before the broker acknowledges it. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  /** The publisher marks it as perhaps sent before (DUP). */
  readonly repeated: boolean;
}

export interface EmbeddedBrokerOptions {
  readonly config: EmbeddedBrokerConfig;
  readonly logger: Logger;
  /**
   * Sees every publication first. The broker acknowledges it (PUBACK, PUBREC) and forwards it when the answer
   * resolves; when it rejects, the publisher is disconnected without one, and sends it again [MQTT-4.4.0-1].
   */
  readonly onPublish: (publication: Publication) => Promise<void> | undefined;
  /** A connection was refused, for the counter: over maxConnections, not authorised, packet too large. */
  readonly onRefused: (reason: 'connections' | 'credentials' | 'size') => void;
  /** A message was left out of the full queue of an absent or slow client. */
  readonly onDropped: () => void;
  /** The listening socket failed after the start. */
  readonly onError: (error: unknown) => void;
}

/** Connection attempts that have not yet said who they are. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A client that takes nothing for so long is disconnected: all others wait for it. */
const SLOW_CLIENT_TIMEOUT_MS = 5_000;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export function parseListen(listen: string): ListenAddress {
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

/** The broker in this process: aedes behind a TCP server. It speaks MQTT 3.1 and 3.1.1; sessions live in memory. */
export class EmbeddedBroker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<PausableClient>();
  readonly #sessions = new SessionLimit();
  readonly #retained = new RetainedLimit();
  #aedes: Aedes | undefined;
  #server: Server | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
  }

  /** Starts and resolves with the address; rejects where the port is taken. */
  async start(): Promise<ListenAddress> {
    const { Aedes } = await import('aedes');
    const { config, onPublish, onDropped, logger } = this.#options;
    const aedes = await Aedes.createBroker({
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: SLOW_CLIENT_TIMEOUT_MS,
      preConnect: (_client, packet, done) => {
        packet.clean = !this.#sessions.admit(packet.clientId, packet.clean ?? true);
        done(null, true);
      },
      authenticate: (client, username, password, done) =>
        this.#authenticate(client, username, password, done),
      authorizeSubscribe: (client, subscription, done) => {
        const { subscriptions } = client as unknown as { subscriptions: Record<string, unknown> };
        done(null, Object.keys(subscriptions).length < MAX_SUBSCRIPTIONS ? subscription : null);
      },
      authorizePublish: (client, packet, done) => {
        if (packet.topic.startsWith('$')) return done(new Error('topics that start with $ are reserved'));
        const payload = toBuffer(packet.payload);
        // Over the limit the message goes to everybody who listens now, and is kept for nobody.
        if (packet.retain && !this.#retained.admit(packet.topic, payload.length)) packet.retain = false;
        const stored = this.#seenBefore(client, packet).then((seen) => {
          const { topic, qos, dup } = packet;
          return seen ? undefined : onPublish({ topic, payload, qos, repeated: dup });
        });
        stored.then(
          () => done(null),
          (error: Error) => done(error),
        );
      },
    });
    limitQueues((aedes as unknown as { persistence: QueuePersistence }).persistence, onDropped);
    aedes.on('clientError', (client, error) =>
      logger.debug(
        { client: client.id, reason: error.message },
        'a client of the embedded broker is disconnected',
      ),
    );
    aedes.on('connectionError', (_client, error) =>
      logger.debug({ reason: error.message }, 'a connection to the embedded broker failed'),
    );
    this.#aedes = aedes;
    const server = createServer((socket) => this.#accept(aedes, socket));
    this.#server = server;
    const { host, port } = parseListen(config.listen);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    }).catch(async (cause) => {
      await this.stop();
      throw new SmEdgeError(
        'MQTT_LISTEN',
        `the embedded broker cannot listen on ${config.listen}: ${cause.code ?? cause.message}`,
        {
          hint: 'is another broker running on this port? choose another one in broker.embedded.listen',
          retryable: true,
          cause,
        },
      );
    });
    server.on('error', (error) => this.#options.onError(error));
    return { host, port: (server.address() as AddressInfo).port };
  }

  /** Reads nothing more from anybody until `resume`: what is not read stays with its sender. */
  pause(): void {
    for (const client of this.#clients) client.pause();
  }

  resume(): void {
    for (const client of this.#clients) client.resume();
  }

  /** Publishes a message of the gateway itself to the clients of the broker. */
  publish(topic: string, payload: string): void {
    const packet = {
      cmd: 'publish',
      topic,
      payload: Buffer.from(payload),
      qos: 0,
      retain: true,
      dup: false,
    } as const;
    this.#aedes?.publish(packet, () => undefined);
  }

  /** Takes no more connections, closes those there are, ends the broker. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) =>
      server?.listening ? server.close(() => resolve()) : resolve(),
    );
    const aedes = this.#aedes;
    this.#aedes = undefined;
    await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(() => resolve())));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(aedes: Aedes, socket: Socket): void {
    const { config, onRefused } = this.#options;
    if (this.#sockets.size >= config.maxConnections) {
      onRefused('connections');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const client = aedes.handle(socket);
    const pausable = client as unknown as PausableClient;
    this.#clients.add(pausable);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#clients.delete(pausable);
    });
    limitPackets(client, config.maxPacket, () => onRefused('size'));
  }

  #authenticate(
    _client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    const { users } = this.#options.config;
    if (users.length === 0) {
      done(null, true);
      return;
    }
    const digest = sha256(password ?? Buffer.alloc(0));
    // Every user is compared, so that the time taken does not tell which names exist.
    let allowed = false;
    for (const user of users) {
      const same = timingSafeEqual(digest, sha256(Buffer.from(user.password)));
      allowed = (same && user.username === username) || allowed;
    }
    if (!allowed) this.#options.onRefused('credentials');
    const error = allowed ? null : Object.assign(new Error('bad user name or password'), { returnCode: 4 });
    done(error as AuthenticateError | null, allowed);
  }

  /** Whether a QoS 2 message is a repetition of one that waits for its PUBREL [MQTT-4.3.3-2]. */
  async #seenBefore(client: Client | null, packet: { qos: number; messageId?: number }): Promise<boolean> {
    if (packet.qos !== 2 || client === null) return false;
    const { persistence } = this.#aedes as unknown as {
      persistence: { incomingGetPacket(client: Client, packet: unknown): Promise<unknown> };
    };
    return persistence.incomingGetPacket(client, packet).then(
      () => true,
      () => false,
    );
  }
}

const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest();

const toBuffer = (payload: AedesPublishPacket['payload']): Buffer =>
  typeof payload === 'string' ? Buffer.from(payload) : payload;

/** Two methods of a client of aedes that its types leave out. */
interface PausableClient {
  pause(): void;
  resume(): void;
}

interface PacketParser {
  readonly packet: { readonly length: number };
  _parseLength(): boolean;
  emit(event: 'error', error: Error): boolean;
}

/**
 * Ends a client that announces a packet larger than `maxBytes`. Neither aedes nor mqtt-packet has such a limit:
 * without it one client could make the gateway buffer 256 MiB before the broker looks at the packet.
 */
function limitPackets(client: Client, maxBytes: number, onRefused: () => void): void {
  const parser = (client as unknown as { _parser: PacketParser })._parser;
  const parseLength = parser._parseLength;
  parser._parseLength = function (this: PacketParser) {
    const done = parseLength.call(this);
    if (done && this.packet.length > maxBytes) {
      onRefused();
      this.emit('error', new Error(`a packet of ${this.packet.length} bytes is larger than maxPacket`));
      return false;
    }
    return done;
  };
}
