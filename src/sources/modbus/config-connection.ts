import { z } from 'zod';
import { duration } from '../../base/schema.js';
import { serialPortShape } from '../line.js';

const timing = {
  timeout: duration({ minMs: 10, maxMs: 60_000 }).prefault('1s').describe('Deadline of one request'),
  retries: z
    .number()
    .int()
    .min(0)
    .max(5)
    .default(1)
    .describe('Times a request without an answer is repeated at once; a unit that is failing gets none'),
  turnaround: duration({ maxMs: 10_000 })
    .prefault('0ms')
    .describe('Pause between an answer and the next request: some devices answer with old data without it'),
  connectTimeout: duration({ minMs: 100, maxMs: 120_000 })
    .prefault('2s')
    .describe('Deadline for opening the connection'),
};

const silence = duration({ minMs: 1, maxMs: 1_000 })
  .optional()
  .describe(
    'RTU: quiet on the line that ends a frame; default 3.5 characters, at least 2 ms (5 ms over TCP)',
  );

const host = z.string().min(1).max(255).describe('Host name or address');
const port = z.number().int().min(1).max(65_535);

export const connectionSchema = z
  .discriminatedUnion('transport', [
    z.strictObject({
      transport: z.literal('tcp').describe('Modbus TCP'),
      host,
      port: port.default(502).describe('TCP port'),
      ...timing,
    }),
    z.strictObject({
      transport: z.literal('rtu').describe('Modbus RTU on a serial port'),
      ...serialPortShape,
      parity: z
        .enum(['none', 'even', 'odd'])
        .default('even')
        .describe('Parity; the specification wants even, many devices come with none'),
      silence,
      ...timing,
    }),
    z.strictObject({
      transport: z.literal('rtu-over-tcp').describe('Modbus RTU through a serial device server'),
      host,
      port: port.default(4001).describe('TCP port'),
      silence,
      ...timing,
    }),
  ])
  .describe('The link; all units of this source share it, one request at a time');

export type ConnectionConfig = z.infer<typeof connectionSchema>;

/**
 * Quiet that ends an RTU frame, ms: 3.5 characters, 1.75 ms from 19,200 baud on (Modbus over Serial Line V1.02, clause
 * 2.5.1.1), and no less than a timer can tell.
 */
export function silenceMs(connection: ConnectionConfig): number {
  if (connection.transport === 'tcp') return 0;
  if (connection.silence !== undefined) return connection.silence;
  if (connection.transport === 'rtu-over-tcp') return 5;
  return Math.max(2, (3.5 * bitsPerCharacter(connection) * 1000) / connection.baudRate);
}

/** Start bit, data, parity, stop bits. */
export const bitsPerCharacter = ({
  dataBits,
  parity,
  stopBits,
}: {
  dataBits: number;
  parity: string;
  stopBits: number;
}): number => 1 + dataBits + (parity === 'none' ? 0 : 1) + stopBits;
