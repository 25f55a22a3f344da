import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, sleep } from '../../base/clock.js';
import { crc } from '../../base/crc.js';
import { listenOn } from '../listen.js';
import type { RegisterProvider, RegisterTable } from './server.js';

/** Tables by function code, and how many of them one request may ask for (Application Protocol V1.1b3, clause 6). */
const READS: Readonly<Record<number, readonly [table: RegisterTable, limit: number]>> = {
  1: ['coil', 2000],
  2: ['discrete', 2000],
  3: ['holding', 125],
  4: ['input', 125],
};
const REQUEST_BYTES = 8;
const MAX_CLIENTS = 16;
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_DATA_VALUE = 3;

/** Spoils an answer on its way out: the pieces that are written for it. */
export type Spoil = (frame: Uint8Array) => readonly Uint8Array[];

/**
 * Units on an RTU line, behind a serial device server; a pseudo terminal in front of it makes it a port. Read-only:
 * the functions 1 to 4, one request at a time, as units on one pair of wires are asked.
 */
export class RtuLineServer {
  readonly #provider: RegisterProvider;
  readonly #clock: Clock;
  readonly #spoil: Spoil;
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;

  constructor(provider: RegisterProvider, clock: Clock, spoil: Spoil = (frame) => [frame]) {
    this.#provider = provider;
    this.#clock = clock;
    this.#spoil = spoil;
  }

  async start(port = 0, host = '127.0.0.1'): Promise<{ port: number }> {
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MAX_CLIENTS;
    this.#server = server;
    return { port: await listenOn(server, port, host) };
  }

  /** Breaks every connection and goes on listening. */
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

  #serve(socket: Socket): void {
    socket.setNoDelay();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#clients.delete(socket));
    this.#clients.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    let turn = Promise.resolve();
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= REQUEST_BYTES) {
        const frame = pending.subarray(0, REQUEST_BYTES);
        // What is no request for this line is passed over byte by byte until one begins.
        const whole = crc('crc16-modbus', frame, 0, 6) === frame.readUInt16LE(6);
        pending = pending.subarray(whole ? REQUEST_BYTES : 1);
        if (whole) turn = turn.then(() => this.#answer(socket, frame));
      }
    });
  }

  async #answer(socket: Socket, request: Buffer): Promise<void> {
    const unitId = request[0]!;
    const delayMs = this.#provider.delayMs?.(unitId) ?? 0;
    if (delayMs > 0) await sleep(this.#clock, 'late answer', delayMs);
    const body = this.#bodyOf(request);
    if (body === undefined || socket.destroyed) return;
    for (const piece of this.#spoil(framed(unitId, body))) socket.write(piece);
  }

  #bodyOf(request: Buffer): readonly number[] | undefined {
    const [unitId, code] = [request[0]!, request[1]!];
    const exception = (reason: number) => [code | 0x80, reason];
    const read = READS[code];
    const quantity = request.readUInt16BE(4);
    const [table, limit] = read ?? (['input', 1] as const);
    const legal = read !== undefined && quantity >= 1 && quantity <= limit;
    // Asked even where the request is not legal: a unit that is not there says nothing to that either.
    const answer = this.#provider.read(table, unitId, request.readUInt16BE(2), legal ? quantity : 1);
    if (answer === undefined) return undefined;
    if (read === undefined) return exception(ILLEGAL_FUNCTION);
    if (!legal) return exception(ILLEGAL_DATA_VALUE);
    if ('exception' in answer) return exception(answer.exception);
    const bytes = code <= 2 ? packBits(answer) : answer.flatMap((value) => [value >> 8, value & 0xff]);
    return [code, bytes.length, ...bytes];
  }
}

function packBits(bits: readonly number[]): number[] {
  const bytes = new Array<number>(Math.ceil(bits.length / 8)).fill(0);
  bits.forEach((bit, index) => {
    if (bit !== 0) bytes[index >> 3]! |= 1 << (index & 7);
  });
  return bytes;
}

function framed(unitId: number, body: readonly number[]): Buffer {
  const frame = Buffer.from([unitId, ...body, 0, 0]);
  frame.writeUInt16LE(crc('crc16-modbus', frame, 0, frame.length - 2), frame.length - 2);
  return frame;
}
