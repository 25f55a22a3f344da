import { SmEdgeError } from '../base/errors.js';
import { type ConnectionConfig, connectionSchema } from '../sources/modbus/config-connection.js';

/** What a person says of a Modbus link on the command line. */
export interface TargetOptions {
  readonly baud: string;
  readonly parity: string;
  readonly stopBits: string;
  readonly rtu?: boolean;
  readonly timeout: string;
}

const usage = (message: string, hint: string): SmEdgeError => new SmEdgeError('USAGE', message, { hint });

/**
 * The links to try: a serial port (`/dev/…`) once for each baud rate and parity, a host once.
 * @throws SmEdgeError `USAGE`
 */
export function connectionsOf(target: string, options: TargetOptions): ConnectionConfig[] {
  return wantedLinks(target, options).map((link) => {
    const parsed = connectionSchema.safeParse({ ...link, timeout: options.timeout });
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw usage(
      `${target}: ${issue?.path.join('.')}: ${issue?.message}`,
      'sm-edge scan modbus --help shows the options',
    );
  });
}

function wantedLinks(target: string, options: TargetOptions): object[] {
  if (target.includes('/')) {
    const stopBits = Number(options.stopBits);
    return list(options.parity).flatMap((parity) =>
      list(options.baud).map((baud) => ({
        transport: 'rtu',
        path: target,
        baudRate: Number(baud),
        parity,
        stopBits,
      })),
    );
  }
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(target);
  if (match === null)
    throw usage(`${target}: neither a serial port nor a host`, 'write /dev/…, HOST or HOST:PORT');
  const host = match[1] ?? match[2];
  const port = match[3] === undefined ? {} : { port: Number(match[3]) };
  return [{ transport: options.rtu ? 'rtu-over-tcp' : 'tcp', host, ...port }];
}

const list = (text: string): string[] => text.split(',').map((item) => item.trim());

/** `1-10,17` → the numbers. @throws SmEdgeError `USAGE` */
export function numbersOf(flag: string, text: string, most: number): number[] {
  const numbers = new Set<number>();
  for (const part of list(text)) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (match === null || from > to || to > most)
      throw usage(`${flag} ${text}: not a list of numbers up to ${most}`, 'write 1-10,17');
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return [...numbers];
}

/** The connection as a config writes it: what differs from the defaults. */
export function connectionYaml(connection: ConnectionConfig): object {
  if (connection.transport !== 'rtu') {
    const { transport, host, port } = connection;
    return { transport, host, port };
  }
  const { transport, path, baudRate, parity, stopBits } = connection;
  return { transport, path, baudRate, parity, ...(stopBits === 1 ? {} : { stopBits }) };
}
