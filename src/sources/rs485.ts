import { execFile } from 'node:child_process';
import { Duplex } from 'node:stream';
import { z } from 'zod';
import { type Clock, sleep } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { duration } from '../base/schema.js';

/** Deadline for telling a driver its RS-485 settings, milliseconds. */
const DRIVER_TIMEOUT_MS = 5_000;

/** `struct serial_rs485`, flags (linux/serial.h). */
const ENABLED = 1;
const RTS_ON_SEND = 2;
const RTS_AFTER_SEND = 4;

export const rs485Schema = z
  .strictObject({
    direction: z
      .enum(['auto', 'rts', 'kernel'])
      .default('auto')
      .describe(
        'Who turns the transmitter on: the adapter by itself, this program over RTS, or the driver of the port',
      ),
    rtsOnSend: z.enum(['high', 'low']).default('high').describe('RTS while sending; the other way after it'),
    delayBefore: duration({ maxMs: 1_000 })
      .prefault('0ms')
      .describe('From turning the transmitter on to the first byte'),
    delayAfter: duration({ maxMs: 1_000 })
      .prefault('0ms')
      .describe('From the last byte to turning the transmitter off'),
    echo: z
      .boolean()
      .default(false)
      .describe('The adapter hears what it sends itself: taken out of what comes in'),
  })
  .describe('RS-485, two wires: who turns the line round');

export type Rs485Settings = z.infer<typeof rs485Schema>;

/** What of a serial port is needed: `serialport` has it. */
export interface Rs485Port extends Duplex {
  set(options: { rts: boolean }, done: (error: Error | null) => void): void;
  drain(done: (error: Error | null) => void): void;
}

const settled = (run: (done: (error?: Error | null) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => run((error) => (error == null ? resolve() : reject(error))));

/** A serial port on a two-wire line: turns the transmitter on and off over RTS, and takes its own echo out. */
export class Rs485Stream extends Duplex {
  readonly #port: Rs485Port;
  readonly #settings: Rs485Settings;
  readonly #clock: Clock;
  /** What was sent and has not come back yet, and what of it has. */
  #echo: Buffer = Buffer.alloc(0);
  #echoed = 0;

  constructor(port: Rs485Port, settings: Rs485Settings, clock: Clock) {
    super();
    this.#port = port;
    this.#settings = settings;
    this.#clock = clock;
    port.on('data', (chunk: Buffer) => {
      const own = this.#withoutEcho(chunk);
      if (own.length > 0 && !this.push(own)) port.pause();
    });
    port.on('error', (error: Error) => this.destroy(error));
    port.on('close', (error?: Error | null) => this.destroy(error ?? undefined));
    port.on('end', () => this.push(null));
  }

  /** The line listens: RTS as it is while nothing is sent. Rejects where the port has no RTS. */
  async listen(): Promise<void> {
    if (this.#settings.direction === 'rts') await this.#rts(false);
  }

  override _read(): void {
    this.#port.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(chunk).then(
      () => done(),
      (error: Error) => done(error),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#port.destroy();
    done(error);
  }

  async #send(chunk: Buffer): Promise<void> {
    const { direction, delayBefore, delayAfter, echo } = this.#settings;
    if (echo) {
      this.#echo = chunk;
      this.#echoed = 0;
    }
    const write = () => settled((done) => this.#port.write(chunk, done));
    if (direction !== 'rts') return write();
    await this.#rts(true);
    try {
      if (delayBefore > 0) await sleep(this.#clock, 'rs485 before', delayBefore);
      await write();
      // All bytes are on the line, not only in the driver.
      await settled((done) => this.#port.drain(done));
      if (delayAfter > 0) await sleep(this.#clock, 'rs485 after', delayAfter);
    } finally {
      // Even after a failure: a transmitter that stays on silences the whole line.
      await this.#rts(false);
    }
  }

  #rts(sending: boolean): Promise<void> {
    const rts = sending === (this.#settings.rtsOnSend === 'high');
    return settled((done) => this.#port.set({ rts }, done));
  }

  /** What came, without what was sent. Bytes that only began like an echo are given on. */
  #withoutEcho(chunk: Buffer): Buffer {
    const echo = this.#echo;
    if (echo.length === 0) return chunk;
    let at = 0;
    while (at < chunk.length && this.#echoed < echo.length) {
      if (chunk[at] !== echo[this.#echoed]) {
        const held = echo.subarray(0, this.#echoed - at);
        this.#echo = Buffer.alloc(0);
        return Buffer.concat([held, chunk]);
      }
      at++;
      this.#echoed++;
    }
    if (this.#echoed === echo.length) this.#echo = Buffer.alloc(0);
    return chunk.subarray(at);
  }
}

/** TIOCSRS485 with a `struct serial_rs485`; Node has no ioctl. O_RDWR | O_NOCTTY | O_NONBLOCK. */
const TELL_DRIVER = `my ($path, $flags, $before, $after) = @ARGV;
sysopen(my $port, $path, 0x902) or die "$!\\n";
my $settings = pack('L8', $flags, $before, $after, 0, 0, 0, 0, 0);
ioctl($port, 0x542F, $settings) or die "$!\\n";`;

/**
 * Tells the driver of a port to turn the line round by itself; it remembers that until it is told otherwise.
 * Rejects with `LINE_DOWN` where it cannot.
 */
export async function tellDriver(path: string, settings: Rs485Settings): Promise<void> {
  const flags = ENABLED | (settings.rtsOnSend === 'high' ? RTS_ON_SEND : RTS_AFTER_SEND);
  const args = [flags, settings.delayBefore, settings.delayAfter].map((number) => String(Math.round(number)));
  const failure = await new Promise<string | undefined>((resolve) => {
    execFile('perl', ['-e', TELL_DRIVER, path, ...args], { timeout: DRIVER_TIMEOUT_MS }, (error, _, stderr) =>
      resolve(error === null ? undefined : stderr.trim() || error.message),
    );
  });
  if (failure === undefined) return;
  const isMissing = /ENOENT/.test(failure);
  throw new SmEdgeError(
    'LINE_DOWN',
    `${path}: the driver takes no RS-485 settings: ${isMissing ? 'perl is not installed' : failure}`,
    {
      retryable: true,
      hint: isMissing
        ? 'install perl-base, which sets the driver, or use `direction: rts`'
        : 'a driver without this mode needs `direction: rts`, or an adapter that does it by itself (`auto`)',
    },
  );
}
