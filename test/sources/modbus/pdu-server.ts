import { type AddressInfo, createServer, type Socket } from 'node:net';
import { crc } from '#sm/base/crc.js';

/** Gives the answer to a request, both without framing; undefined leaves it without one. */
export type Serve = (pdu: Buffer) => Buffer | undefined;

/** A server of PDUs over TCP, framed as Modbus TCP or RTU; `delayMs` before each answer, one after the other. */
export async function listenForPdus(
  framing: 'mbap' | 'rtu',
  serve: Serve,
  delayMs: () => number = () => 0,
): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const requestBytes = (code: number) => (code === 24 ? 6 : 8);
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay().on('error', () => undefined);
    let pending = Buffer.alloc(0);
    let turn = Promise.resolve();
    const later = (answer: () => Buffer | undefined) => {
      turn = turn.then(async () => {
        const ms = delayMs();
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
        const bytes = answer();
        if (bytes !== undefined && !socket.destroyed) socket.write(bytes);
      });
    };
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const size =
          framing === 'mbap'
            ? pending.length < 6
              ? Infinity
              : 6 + pending.readUInt16BE(4)
            : pending.length < 2
              ? Infinity
              : requestBytes(pending[1]!);
        if (pending.length < size) return;
        const frame = pending.subarray(0, size);
        pending = pending.subarray(size);
        const pdu = framing === 'mbap' ? frame.subarray(7) : frame.subarray(1, -2);
        later(() => {
          const answer = serve(pdu);
          if (answer === undefined) return undefined;
          const head = framing === 'mbap' ? frame.subarray(0, 7) : frame.subarray(0, 1);
          const bytes = Buffer.concat([head, answer]);
          if (framing === 'mbap') bytes.writeUInt16BE(answer.length + 1, 4);
          else return Buffer.concat([bytes, checksum(bytes)]);
          return bytes;
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(2);
  sum.writeUInt16LE(crc('crc16-modbus', bytes, 0, bytes.length));
  return sum;
}
