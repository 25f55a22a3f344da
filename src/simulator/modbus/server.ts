import type { Server, Socket } from 'node:net';
import modbus from 'modbus-serial';
import type { FCallback, FCallbackVal } from 'modbus-serial/ServerTCP.js';
import { type Clock, systemClock } from '../../base/clock.js';

export type RegisterTable = 'holding' | 'input' | 'coil' | 'discrete';

/** A Modbus exception in place of values (Modbus Application Protocol V1.1b3, clause 7). */
export interface ModbusException {
  /** 1 illegal function, 2 illegal data address, 3 illegal data value, 4 server device failure, 6 busy … */
  readonly exception: number;
}

/** The machine behind the server. */
export interface RegisterProvider {
  /** `count` values from `address` on (registers 0 to 65,535, bits 0 or 1), an exception, or `undefined`: no answer, as from a dead unit. */
  read(
    table: RegisterTable,
    unitId: number,
    address: number,
    count: number,
  ): readonly number[] | ModbusException | undefined;
  /** How long a unit takes to answer, ms; absent: no time at all. */
  delayMs?(unitId: number): number;
  /** Absent: the server answers every write with exception 1. */
  write?(
    table: 'holding' | 'coil',
    unitId: number,
    address: number,
    value: number,
  ): ModbusException | undefined;
}

const ILLEGAL_FUNCTION = { exception: 1 };

/** What modbus-serial takes for an exception. */
const asError = ({ exception }: ModbusException): Error =>
  Object.assign(new Error(`Modbus exception ${exception}`), { modbusErrorCode: exception });

/** A Modbus TCP server (modbus-serial's) over the registers of a provider. */
export class ModbusServer {
  readonly #provider: RegisterProvider;
  readonly #clock: Clock;
  #server: InstanceType<typeof modbus.ServerTCP> | undefined;

  constructor(provider: RegisterProvider, clock: Clock = systemClock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  /** Breaks every connection and goes on listening. */
  disconnectAll(): void {
    const { socks } = (this.#server ?? {}) as unknown as { socks?: ReadonlyMap<Socket, number> };
    for (const socket of socks?.keys() ?? []) socket.destroy();
  }

  async start(port = 0, host = '127.0.0.1'): Promise<{ port: number }> {
    // modbus-serial takes the number 0 for "not given" and listens on 502; node:net reads the text as 0.
    const portOption = (port === 0 ? '0' : port) as number;
    const server = new modbus.ServerTCP(this.#vector(), { host, port: portOption, unitID: 255 });
    this.#server = server;
    server.on('socketError', () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.on('initialized', () => resolve());
      server.on('serverError', (error) => reject(error as unknown as Error));
    });
    const address = (server as unknown as { _server: Server })._server.address();
    return { port: typeof address === 'object' && address !== null ? address.port : port };
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #vector() {
    return {
      getCoil: this.#single('coil', Boolean),
      getDiscreteInput: this.#single('discrete', Boolean),
      getInputRegister: this.#single('input', Number),
      getHoldingRegister: this.#single('holding', Number),
      getMultipleInputRegisters: this.#several('input'),
      getMultipleHoldingRegisters: this.#several('holding'),
      setRegister: (address: number, value: number, unitId: number, done: FCallback) =>
        this.#write('holding', unitId, address, value, done),
      setCoil: (address: number, value: boolean, unitId: number, done: FCallback) =>
        this.#write('coil', unitId, address, Number(value), done),
    };
  }

  #several(table: RegisterTable) {
    return (address: number, count: number, unitId: number, done: FCallbackVal<number[]>) => {
      const answer = this.#provider.read(table, unitId, address, count);
      if (answer === undefined) return;
      this.#later(unitId, () => {
        if ('exception' in answer) done(asError(answer), []);
        else done(null, [...answer]);
      });
    };
  }

  #single<T>(table: RegisterTable, convert: (value: number | undefined) => T) {
    return (address: number, unitId: number, done: FCallbackVal<T>) => {
      const answer = this.#provider.read(table, unitId, address, 1);
      if (answer === undefined) return;
      this.#later(unitId, () => {
        if ('exception' in answer) done(asError(answer), convert(0));
        else done(null, convert(answer[0]));
      });
    };
  }

  #later(unitId: number, answer: () => void): void {
    const delayMs = this.#provider.delayMs?.(unitId) ?? 0;
    if (delayMs > 0) this.#clock.setTimer('late answer', delayMs, answer);
    else answer();
  }

  #write(table: 'holding' | 'coil', unitId: number, address: number, value: number, done: FCallback): void {
    const refusal =
      this.#provider.write === undefined
        ? ILLEGAL_FUNCTION
        : this.#provider.write(table, unitId, address, value);
    done(refusal === undefined ? null : asError(refusal));
  }
}
