import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SerialPort } from 'serialport';
import { z } from 'zod';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { type Rs485Settings, Rs485Stream, rs485Schema, tellDriver } from './rs485.js';

/** How often it is looked whether a port is still there, milliseconds. */
const UNPLUG_INTERVAL_MS = 500;

/** Settings of a serial port, as configs write them. */
export const serialPortShape = {
  path: z
    .string()
    .min(1)
    .max(4096)
    .describe('Serial port; a name under /dev/serial/by-id stays the same when ports are renumbered'),
  baudRate: z.number().int().min(50).max(12_000_000).default(19_200).describe('Bits per second'),
  dataBits: z
    .union([z.literal(5), z.literal(6), z.literal(7), z.literal(8)])
    .default(8)
    .describe('Data bits of a character'),
  parity: z.enum(['none', 'even', 'odd']).default('none').describe('Parity'),
  stopBits: z
    .union([z.literal(1), z.literal(2)])
    .default(1)
    .describe('Stop bits'),
  rtscts: z.boolean().default(false).describe('Hardware flow control (RTS/CTS)'),
  rs485: rs485Schema.optional(),
};

export interface SerialPortSettings {
  readonly path: string;
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
  readonly rtscts: boolean;
  readonly xonxoff?: boolean;
  readonly rs485?: Rs485Settings | undefined;
}

/** What the settings of a port contradict one another in; undefined where they do not. */
export const serialContradiction = (
  port: Pick<SerialPortSettings, 'rtscts' | 'rs485'>,
): string | undefined =>
  port.rtscts && port.rs485 !== undefined && port.rs485.direction !== 'auto'
    ? 'RTS cannot turn the line round and control the flow: leave one of rtscts and rs485.direction'
    : undefined;

export type LineTarget = SerialPortSettings | { readonly host: string; readonly port: number };

/** Where a line leads, for messages. */
export const lineName = (target: LineTarget): string =>
  'path' in target ? target.path : `${target.host}:${target.port}`;

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is the device on, and the port right?',
  ETIMEDOUT: 'the host does not answer: check the address, the cable and the firewall',
  EHOSTUNREACH: 'there is no route to the host: check the address and the cable',
  ENETUNREACH: 'there is no network: check the cable and the network settings of this gateway',
  ENOTFOUND: 'the name of the host is unknown: check it and the DNS of this gateway',
  ECONNRESET: 'the device broke the connection off: does it allow only one connection?',
};

function serialHint(message: string): string {
  if (/no such file/i.test(message))
    return 'is the adapter plugged in? `ls -l /dev/serial/by-id` shows the ports';
  if (/permission denied|access denied/i.test(message))
    return 'the user of the daemon may not open it: add it to the group dialout';
  if (/lock|busy|resource temporarily/i.test(message)) return 'another program holds the port';
  return 'check the path and the adapter';
}

/** Why a line could not be opened, or broke: always worth trying again. */
export function lineFault(thrown: unknown, target: LineTarget): SmEdgeError {
  if (thrown instanceof SmEdgeError) return thrown;
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const text = String(message ?? thrown);
  const hint = 'path' in target ? serialHint(text) : HINTS[String(code)];
  return new SmEdgeError('LINE_DOWN', `${lineName(target)}: ${text}`, {
    retryable: true,
    cause: thrown,
    ...(hint === undefined ? {} : { hint }),
  });
}

/**
 * Opens a serial port or a TCP connection as a stream of bytes.
 * Rejects with a retryable `LINE_DOWN`, also when `signal` is aborted: the caller's deadline.
 */
export function openLine(target: LineTarget, signal: AbortSignal): Promise<Duplex> {
  return 'path' in target ? openSerialPort(target, signal) : openTcp(target, signal);
}

function openTcp(target: { host: string; port: number }, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.host, port: target.port, noDelay: true });
    // A peer that lost its power says nothing; the kernel's probes find that out on an idle link.
    socket.setKeepAlive(true, 15_000);
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      settle();
    };
    const onError = (error: Error) => finish(() => reject(lineFault(error, target)));
    const onAbort = () => {
      socket.destroy();
      finish(() => reject(lineFault(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }), target)));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', () => finish(() => resolve(socket)));
  });
}

/**
 * An adapter that is pulled out hangs its port up. Depending on the moment the driver then reports an error, which the
 * library notices, or the end of the file, at which it waits for ever: so the port is also watched by its name.
 */
function closeWhenUnplugged(port: SerialPort, path: string): void {
  const onChange = ({ nlink }: Stats) => {
    if (nlink === 0 && port.isOpen)
      port.close(undefined, new Error('the adapter was unplugged: the port is gone'));
  };
  watchFile(path, { interval: UNPLUG_INTERVAL_MS, persistent: false }, onChange);
  port.once('close', () => unwatchFile(path, onChange));
}

async function openSerialPort(target: SerialPortSettings, signal: AbortSignal): Promise<Duplex> {
  // Loaded here: a gateway without serial ports need not pay for the native part.
  const { SerialPort } = await import('serialport');
  const { rs485 } = target;
  if (rs485?.direction === 'kernel') await tellDriver(target.path, rs485);
  return new Promise((resolve, reject) => {
    const { path, baudRate, dataBits, parity, stopBits, rtscts, xonxoff = false } = target;
    const flow = { rtscts, xon: xonxoff, xoff: xonxoff };
    const port = new SerialPort({ path, baudRate, dataBits, parity, stopBits, ...flow, autoOpen: false });
    let given = false;
    const onAbort = () => {
      given = true;
      reject(lineFault(new Error('cannot be opened in time'), target));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    port.open((error) => {
      signal.removeEventListener('abort', onAbort);
      if (given) {
        // Opened after all, and nobody waits for it any more.
        if (error === null) port.close();
      } else if (error === null || error === undefined) {
        closeWhenUnplugged(port, path);
        // The library forgets to close the port of a stream that was destroyed: it would stay locked.
        port.once('close', () => port.isOpen && port.close(() => undefined));
        if (rs485 === undefined) resolve(port);
        else resolve(twoWire(port, target, rs485));
      } else reject(lineFault(error, target));
    });
  });
}

async function twoWire(port: SerialPort, target: SerialPortSettings, rs485: Rs485Settings): Promise<Duplex> {
  const stream = new Rs485Stream(port, rs485, systemClock);
  try {
    await stream.listen();
    return stream;
  } catch (thrown) {
    // Closed before it is said: the next attempt finds it free.
    await new Promise<void>((resolve) => port.close(() => resolve()));
    throw lineFault(new Error(`RTS cannot be set: ${(thrown as Error).message}`), target);
  }
}
