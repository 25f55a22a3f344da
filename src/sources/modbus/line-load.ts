import { bitsPerCharacter, type ConnectionConfig, silenceMs } from './config-connection.js';
import type { PlannedRequest } from './plan.js';
import { isBitTable } from './protocol.js';

/** Bytes of a read request and of the frame around an answer, RTU. */
const REQUEST_BYTES = 8;
const ANSWER_FRAME_BYTES = 5;

type Asked = Pick<PlannedRequest<never>, 'table' | 'quantity'>;

/**
 * Time that requests take on the link at least, ms: what the bytes take on the wire, the quiet behind
 * them and the turnaround pause. What the device takes to think is not known and not in it.
 */
export function leastTimeMs(
  requests: readonly Asked[],
  connection: ConnectionConfig,
  turnaroundMs: number,
): number {
  if (connection.transport !== 'rtu') return requests.length * turnaroundMs;
  const byteMs = (bitsPerCharacter(connection) * 1000) / connection.baudRate;
  return requests.reduce((sum, { table, quantity }) => {
    const data = isBitTable(table) ? Math.ceil(quantity / 8) : 2 * quantity;
    const bytes = REQUEST_BYTES + ANSWER_FRAME_BYTES + data;
    return sum + bytes * byteMs + silenceMs(connection) + turnaroundMs;
  }, 0);
}
