import type { Clock } from '../../../base/clock.js';
import { toSmEdgeError } from '../../../base/errors.js';
import type { ConnectionConfig } from '../config-connection.js';
import { REGISTER_TABLES, type RegisterTable } from '../protocol.js';
import { provesUnit, ReadingClient } from './client.js';

/** Where devices like to put their first register; tried in turn until one is readable. */
const LIKELY_ADDRESSES = [0, 1, 16, 100, 256, 1_000, 4_096, 8_192, 20_000, 40_000];

export interface FoundTable {
  readonly table: RegisterTable;
  /** The first address that could be read. */
  readonly address: number;
  /** What stood there. */
  readonly value: number;
}

export interface FoundUnit {
  readonly unitId: number;
  readonly connection: ConnectionConfig;
  /** How long its first answer took, ms. */
  readonly roundTripMs: number;
  readonly tables: readonly FoundTable[];
}

export interface ScanOptions {
  /** One for each baud rate and parity to try, or the one of a TCP host. */
  readonly connections: readonly ConnectionConfig[];
  readonly unitIds: readonly number[];
  /** Deadline for the answer of one unit, ms. */
  readonly timeoutMs: number;
  /** Try the other settings of a line too after units were found with one. */
  readonly exhaustive: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onProgress(done: number, total: number, what: string): void;
  onFound(unit: FoundUnit): void;
}

export interface ScanResult {
  readonly units: readonly FoundUnit[];
  readonly requests: number;
  /** Bytes that came in and made no frame, by settings: a line with other settings, or another protocol. */
  readonly garbage: readonly { readonly connection: ConnectionConfig; readonly bytes: number }[];
}

/**
 * Asks every unit id for a register, with every setting of the line, and looks which kinds of registers those have
 * that answered. Reads only.
 * @throws SmEdgeError `LINE_DOWN` where the line cannot be opened
 */
export async function scanUnits(options: ScanOptions): Promise<ScanResult> {
  const { connections, unitIds, signal, clock, onProgress, onFound, exhaustive, timeoutMs } = options;
  const units: FoundUnit[] = [];
  const garbage: { connection: ConnectionConfig; bytes: number }[] = [];
  const total = connections.length * unitIds.length;
  let done = 0;
  let requests = 0;
  for (const connection of connections) {
    const client = new ReadingClient(connection, clock);
    const ask = (unitId: number, table: RegisterTable, address: number) => {
      requests++;
      return client.read({ unitId, table, address, quantity: 1 }, timeoutMs);
    };
    const before = units.length;
    try {
      for (const unitId of unitIds) {
        if (signal.aborted) return { units, requests, garbage };
        onProgress(done++, total, `unit ${unitId}, ${describe(connection)}`);
        const roundTripMs = await answerTime(clock, () => ask(unitId, 'holding', 0));
        if (roundTripMs === undefined) continue;
        const tables: FoundTable[] = [];
        for (const table of REGISTER_TABLES) {
          const found = await firstReadable(table, (address) => ask(unitId, table, address));
          if (found !== undefined) tables.push(found);
        }
        const unit = { unitId, connection, roundTripMs, tables };
        units.push(unit);
        onFound(unit);
      }
    } finally {
      await client.close();
    }
    if (client.counts.garbageBytes > 0) garbage.push({ connection, bytes: client.counts.garbageBytes });
    if (units.length > before && !exhaustive) break;
  }
  return { units, requests, garbage };
}

/** How long the answer took, ms; undefined where none came. */
async function answerTime(clock: Clock, ask: () => Promise<unknown>): Promise<number | undefined> {
  const startMs = clock.monotonicMs();
  try {
    await ask();
  } catch (thrown) {
    const { code } = toSmEdgeError(thrown);
    // A line that cannot be opened, or a host that ends every connection, is for the caller to know.
    if (code === 'LINE_DOWN') throw thrown;
    if (!provesUnit(thrown)) return undefined;
  }
  return clock.monotonicMs() - startMs;
}

async function firstReadable(
  table: RegisterTable,
  ask: (address: number) => Promise<{ data: Buffer }>,
): Promise<FoundTable | undefined> {
  for (const address of LIKELY_ADDRESSES) {
    try {
      const { data } = await ask(address);
      const value = data.length === 1 ? data[0]! & 1 : data.readUInt16BE(0);
      return { table, address, value };
    } catch (thrown) {
      const { code, details } = toSmEdgeError(thrown);
      if (code === 'LINE_DOWN') throw thrown;
      // Illegal function: the device has no such registers at all. No answer: it does not even say so.
      if (details.exception === 1 || code === 'MODBUS_TIMEOUT') return undefined;
    }
  }
  return undefined;
}

/** The settings of a line in a few characters. */
export function describe(connection: ConnectionConfig): string {
  if (connection.transport !== 'rtu') return `${connection.host}:${connection.port}`;
  const { baudRate, dataBits, parity, stopBits } = connection;
  return `${baudRate} ${dataBits}${parity[0]!.toUpperCase()}${stopBits}`;
}
