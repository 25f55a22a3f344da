import { once } from 'node:events';
import type { Server } from 'node:net';

/** Listens; resolves to the port, which is another one where 0 was asked for. Rejects with the error of the socket. */
export async function listenOn(server: Server, port: number, host: string): Promise<number> {
  const listening = once(server, 'listening');
  server.listen(port, host);
  await listening;
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
