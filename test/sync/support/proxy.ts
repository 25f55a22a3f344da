import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

/** What becomes of one request on its way to the server. */
export type Fate =
  | 'pass'
  /** The server gets and does it; its answer is lost on the way back. */
  | 'lose-answer'
  /** Of the answer's body only the first half arrives. */
  | 'cut-answer'
  /** Nothing ever comes back. */
  | 'hang'
  /** Answered here, as a proxy before the server would. */
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

/** A reverse proxy before a real server, with the troubles of a real line. */
export class TroubledProxy {
  readonly seen: IncomingMessage[] = [];
  /** Decides per request; everything passes by default. */
  fate: (request: IncomingMessage) => Fate = () => 'pass';
  readonly #targetPort: number;
  readonly #server: Server;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));
  }

  static async start(targetPort: number): Promise<TroubledProxy> {
    const proxy = new TroubledProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get uri(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.seen.push(incoming);
    const fate = this.fate(incoming);
    if (typeof fate === 'object') {
      incoming.resume();
      outgoing.writeHead(fate.status, fate.headers).end(fate.body);
      return;
    }
    if (fate === 'hang') return void incoming.resume();
    const { method, url, headers } = incoming;
    const onward = request(
      { host: '127.0.0.1', port: this.#targetPort, method, path: url, headers },
      async (answer) => {
        const parts: Buffer[] = [];
        for await (const part of answer) parts.push(part as Buffer);
        const body = Buffer.concat(parts);
        if (fate === 'lose-answer') return void outgoing.destroy();
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        if (fate === 'pass') return void outgoing.end(body);
        outgoing.write(body.subarray(0, body.length >> 1), () => outgoing.destroy());
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  }
}
