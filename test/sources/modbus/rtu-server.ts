import { createServer, type Server, type Socket } from 'node:net';
import { crc } from '#sm/base/crc.js';

/** What the server does to one answer. */
export type Fault =
  | 'none'
  /** Answers after `delayMs`, and takes the next request only then, as a device with one processor does. */
  | 'late'
  /** Answers after `delayMs`, while it serves others: what a converter with several lines does. */
  | 'overtaken'
  | 'twice'
  /** The second copy comes `delayMs` later. */
  | 'twice-late'
  /** An answer of another unit comes first. */
  | 'other-unit'
  /** An answer of another length comes first. */
  | 'other-length'
  | 'garbage'
  | 'split'
  | 'corrupt'
  | 'silent'
  | 'busy';

export interface Ask {
  readonly unitId: number;
  readonly code: number;
  readonly address: number;
  readonly quantity: number;
}

export interface RtuServerOptions {
  fault(ask: Ask): { fault: Fault; delayMs?: number };
  /** Value of a register; default tells unit and address. */
  value?(ask: Ask, address: number): number;
}

/** What a register of a unit holds: no two of those that a test uses are alike. */
export const registerValue = (unitId: number, address: number): number => unitId * 4096 + (address % 4096);

const framed = (...bytes: number[]): Buffer => {
  const frame = Buffer.from([...bytes, 0, 0]);
  frame.writeUInt16LE(crc('crc16-modbus', frame, 0, bytes.length), bytes.length);
  return frame;
};

/** The right answer, framed. */
export function answerTo(ask: Ask, chosen?: (ask: Ask, address: number) => number): Buffer {
  const { unitId, code, address, quantity } = ask;
  const bytes: number[] = [];
  for (let i = 0; i < quantity; i++) {
    const value = chosen?.(ask, address + i) ?? registerValue(unitId, address + i);
    bytes.push(value >> 8, value & 0xff);
  }
  return framed(unitId, code, bytes.length, ...bytes);
}

/** A Modbus RTU server over TCP, written apart from the client, that errs on demand. */
export class RtuServer {
  readonly #options: RtuServerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  asked = 0;

  constructor(options: RtuServerOptions) {
    this.#options = options;
  }

  async start(port = 0): Promise<{ port: number }> {
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return { port: (server.address() as { port: number }).port };
  }

  disconnectAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  #serve(socket: Socket): void {
    socket.setNoDelay();
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let pending = Buffer.alloc(0);
    let turn = Promise.resolve();
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 8) {
        const request = pending.subarray(0, 8);
        pending = pending.subarray(8);
        turn = turn.then(() => this.#answer(socket, request));
      }
    });
  }

  async #answer(socket: Socket, request: Buffer): Promise<void> {
    if (request.readUInt16LE(6) !== crc('crc16-modbus', request, 0, 6)) return;
    this.asked++;
    const ask: Ask = {
      unitId: request[0]!,
      code: request[1]!,
      address: request.readUInt16BE(2),
      quantity: request.readUInt16BE(4),
    };
    const { fault, delayMs = 0 } = this.#options.fault(ask);
    const answer = this.#data(ask);
    const pause = () => new Promise<void>((resolve) => setTimeout(resolve, delayMs));
    const send = (bytes: Buffer) => {
      if (!socket.destroyed) socket.write(bytes);
    };
    switch (fault) {
      case 'none':
        return send(answer);
      case 'late':
        await pause();
        return send(answer);
      case 'overtaken':
        void pause().then(() => send(answer));
        return;
      case 'twice':
        return send(Buffer.concat([answer, answer]));
      case 'twice-late':
        send(answer);
        void pause().then(() => send(answer));
        return;
      case 'other-unit':
        send(this.#data({ ...ask, unitId: ask.unitId === 1 ? 2 : 1 }));
        return send(answer);
      case 'other-length':
        send(this.#data({ ...ask, quantity: ask.quantity + 1 }));
        return send(answer);
      case 'garbage':
        return send(Buffer.concat([Buffer.from([ask.unitId, ask.code, 200, 0xff, 0]), answer]));
      case 'split':
        send(answer.subarray(0, 4));
        await pause();
        return send(answer.subarray(4));
      case 'corrupt':
        answer[3]! ^= 0x10;
        return send(answer);
      case 'busy':
        return send(framed(ask.unitId, ask.code | 0x80, 6));
      case 'silent':
        return;
    }
  }

  #data(ask: Ask): Buffer {
    return answerTo(ask, this.#options.value);
  }
}
