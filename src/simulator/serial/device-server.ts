import { createServer, type Server, type Socket } from 'node:net';
import { listenOn } from '../listen.js';

/** A client that takes nothing for this long a backlog loses its connection, as at a real device server. */
const MAX_BACKLOG_BYTES = 4 * 2 ** 20;
const MAX_CLIENTS = 16;

/** A serial device server: what comes out of the virtual line goes to everybody who is connected over TCP. */
export class SerialDeviceServer {
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;

  /** Connections now. */
  get clients(): number {
    return this.#clients.size;
  }

  async start(port = 0, host = '127.0.0.1'): Promise<{ port: number }> {
    const server = createServer((socket) => {
      socket.setNoDelay();
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#clients.delete(socket));
      socket.resume();
      this.#clients.add(socket);
    });
    server.maxConnections = MAX_CLIENTS;
    this.#server = server;
    return { port: await listenOn(server, port, host) };
  }

  /** Sends bytes to everybody who listens now; nobody listening is no error, as on a real line. */
  send(bytes: Uint8Array): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_BACKLOG_BYTES) client.destroy();
      else client.write(bytes);
    }
  }

  /** Breaks every connection and goes on listening: a cable that is pulled and put back. */
  disconnectAll(): void {
    for (const client of this.#clients) client.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    this.disconnectAll();
    await closed;
  }
}
