import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Aedes, AedesPublishPacket, AuthenticateError, Client } from 'aedes';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { Access } from './broker-access.js';
import {
  limitQueues,
  MAX_SUBSCRIPTIONS,
  type QueuePersistence,
  RetainedLimit,
  SessionLimit,
} from './broker-limits.js';
import { RateLimit } from './broker-rate.js';
import { BrokerUsers } from './broker-users.js';
import type { EmbeddedBrokerConfig } from './config.js';
import type { RefusedClientReason } from './mqtt-metrics.js';

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
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Sees every publication first. The broker acknowledges it (PUBACK, PUBREC) and forwards it when the answer
   * resolves; when it rejects, the publisher is disconnected without one, and sends it again [MQTT-4.4.0-1].
   */
  readonly onPublish: (publication: Publication) => Promise<void> | undefined;
  /** Something was refused, for the counter: a connection, a packet, a topic; `rate`: read more slowly. */
  readonly onRefused: (reason: RefusedClientReason) => void;
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
  readonly #clients = new Map<Client, Guest>();
  readonly #users: BrokerUsers;
  #paused = false;
  readonly #sessions = new SessionLimit();
  readonly #retained = new RetainedLimit();
  #aedes: Aedes | undefined;
  #server: Server | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#users = new BrokerUsers(options.config.users);
  }

  /** Starts and resolves with the address; rejects where the port is taken. */
  async start(): Promise<ListenAddress> {
    const { Aedes } = await import('aedes');
    const { config, onPublish, onDropped, logger } = this.#options;
    const aedes = await Aedes.createBroker({
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: SLOW_CLIENT_TIMEOUT_MS,
      preConnect: (client, packet, done) => {
        const guest = this.#clients.get(client);
        if (guest !== undefined) guest.willTopic = (packet as { will?: { topic: string } }).will?.topic;
        packet.clean = !this.#sessions.admit(packet.clientId, packet.clean ?? true);
        done(null, true);
      },
      authenticate: (client, username, password, done) =>
        this.#authenticate(client, username, password, done),
      authorizeSubscribe: (client, subscription, done) => {
        const { subscriptions } = client as unknown as { subscriptions: Record<string, unknown> };
        const may = this.#clients.get(client)?.access.maySubscribe(subscription.topic) ?? true;
        if (!may) this.#refuseTopic(client, 'subscribe to', subscription.topic);
        done(null, may && Object.keys(subscriptions).length < MAX_SUBSCRIPTIONS ? subscription : null);
      },
      authorizePublish: (client, packet, done) => {
        if (packet.topic.startsWith('$')) return done(new Error('topics that start with $ are reserved'));
        const guest = client === null ? undefined : this.#clients.get(client);
        if (guest?.access.mayPublish(packet.topic) === false) {
          // [MQTT-3.3.5-2] an unauthorised publisher gets an acknowledgement or its connection closed; one that
          // is told "stored" while nothing is would never find its mistake.
          this.#refuseTopic(client!, 'publish to', packet.topic);
          return done(new Error(`may not publish to ${packet.topic}`));
        }
        const turn = guest?.rate.take();
        if (turn !== undefined) this.#options.onRefused('rate');
        const payload = toBuffer(packet.payload);
        // Over the limit the message goes to everybody who listens now, and is kept for nobody.
        if (packet.retain && !this.#retained.admit(packet.topic, payload.length)) packet.retain = false;
        const first =
          turn === undefined
            ? this.#seenBefore(client, packet)
            : turn.then(() => this.#seenBefore(client, packet));
        const stored = first.then((seen) => {
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
    const server = await this.#createServer((socket) => this.#accept(aedes, socket));
    // Also of those that have not finished their TLS handshake.
    server.maxConnections = config.maxConnections;
    server.on('drop', () => this.#options.onRefused('connections'));
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
    this.#paused = true;
    for (const client of this.#clients.keys()) pausable(client).pause();
  }

  resume(): void {
    this.#paused = false;
    for (const [client, { rate }] of this.#clients) if (!rate.isPaused) pausable(client).resume();
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

  async #createServer(accept: (socket: Socket) => void): Promise<Server> {
    const { tls } = this.#options.config;
    if (tls === undefined) return createServer(accept);
    try {
      const [cert, key, ca] = await Promise.all([
        readFile(tls.cert),
        readFile(tls.key),
        tls.ca === undefined ? undefined : readFile(tls.ca),
      ]);
      const clientCertificates = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
      const options = { cert, key, ...clientCertificates, handshakeTimeout: CONNECT_TIMEOUT_MS };
      const server = createTlsServer(options, accept);
      server.on('tlsClientError', (error) => {
        this.#options.onRefused('credentials');
        this.#options.logger.debug(
          { reason: error.message },
          'a TLS handshake with the embedded broker failed',
        );
      });
      return server;
    } catch (cause) {
      throw new SmEdgeError(
        'MQTT_TLS_FILE',
        `the TLS files of the broker cannot be used: ${(cause as Error).message}`,
        {
          hint: 'check broker.embedded.tls: the paths, and that the service user may read the files',
          retryable: true,
          cause,
        },
      );
    }
  }

  #accept(aedes: Aedes, socket: Socket): void {
    const { config, clock, onRefused } = this.#options;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const client = aedes.handle(socket);
    const rate = new RateLimit({
      clock,
      perSecond: config.maxRate,
      pause: () => pausable(client).pause(),
      resume: () => {
        if (!this.#paused) pausable(client).resume();
      },
    });
    this.#clients.set(client, { rate, access: EVERYTHING, willTopic: undefined });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#clients.get(client)?.rate.stop();
      this.#clients.delete(client);
    });
    limitPackets(client, config.maxPacket, () => onRefused('size'));
  }

  #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    if (this.#users.isEmpty) {
      done(null, true);
      return;
    }
    const admitted = this.#users.admit(username, password ?? Buffer.alloc(0)).catch(() => false);
    void admitted.then((allowed) => {
      const guest = this.#clients.get(client);
      const user = this.#users.find(username);
      if (!allowed) this.#options.onRefused('credentials');
      else if (guest !== undefined && user !== undefined) {
        guest.access = new Access(user, user.username, client.id);
        // Published when the client is gone: its rights are looked at now.
        if (guest.willTopic !== undefined && !guest.access.mayPublish(guest.willTopic)) {
          this.#refuseTopic(client, 'leave a last will on', guest.willTopic);
          const error = Object.assign(new Error('last will not allowed'), { returnCode: 5 });
          done(error as AuthenticateError, false);
          return;
        }
      }
      const error = allowed ? null : Object.assign(new Error('bad user name or password'), { returnCode: 4 });
      done(error as AuthenticateError | null, allowed);
    });
  }

  #refuseTopic(client: Client, verb: string, topic: string): void {
    this.#options.onRefused('access');
    this.#options.logger.debug({ client: client.id, topic }, `a client may not ${verb} this topic`);
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

const toBuffer = (payload: AedesPublishPacket['payload']): Buffer =>
  typeof payload === 'string' ? Buffer.from(payload) : payload;

/** What the broker knows of a connection. */
interface Guest {
  readonly rate: RateLimit;
  access: Access;
  willTopic: string | undefined;
}

const EVERYTHING = new Access({}, '', '');

const pausable = (client: Client): PausableClient => client as unknown as PausableClient;

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
