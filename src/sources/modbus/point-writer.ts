import { type Clock, sleep } from '../../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../../base/errors.js';
import type { WrittenPoint } from '../part.js';
import type { PlacedPoint } from './config-point.js';
import { encodeValue } from './encode.js';
import { isBitTable, type ReadRequest, type Request, type WriteRequest } from './protocol.js';
import { decodeBit, decodeValue } from './values.js';

/** Busy (6): the device did nothing; it is asked again after these pauses, ms. */
const BUSY_PAUSES_MS = [100, 200, 400];
/** Acknowledge (5): the device has taken the request and works on it; it is looked after these pauses, ms. */
const PATIENCE_MS = [100, 200, 400, 800, 1_600];

export interface WriterDeps {
  readonly clock: Clock;
  readonly unitId: number;
  /** A request that goes before all others. */
  readonly request: (request: Request) => Promise<Buffer>;
}

/**
 * Writes one value and reads it back.
 * @throws SmEdgeError `POINT_READ_ONLY`, `VALUE_OUT_OF_RANGE`, `VALUE_NOT_REPRESENTABLE`: nothing was sent;
 *   `MODBUS_EXCEPTION`: the device refuses; `MODBUS_WRITE_NOT_TAKEN`: it did not refuse and holds another value;
 *   `MODBUS_WRITE_UNKNOWN`: no answer, and what the register holds could not be read
 */
export async function writePoint(
  placed: PlacedPoint,
  value: number,
  deps: WriterDeps,
): Promise<WrittenPoint> {
  const { config } = placed;
  const rules = config.writable;
  if (rules === undefined)
    throw new SmEdgeError('POINT_READ_ONLY', `${config.point} is not declared writable`, {
      hint: 'declare `writable: {}` at the point in the config, with its range, if it is to be',
    });
  const [low, high] = rules.range ?? [-Infinity, Infinity];
  if (!(value >= low && value <= high))
    throw new SmEdgeError('VALUE_OUT_OF_RANGE', `${value} is outside ${low} to ${high}`, {
      hint: 'the range stands under `writable` of the point in the config',
    });
  const values = rawValues(placed, value);
  const look = reader(placed, deps);
  const before = rules.readBack ? await look().catch(() => undefined) : undefined;
  const request: WriteRequest = {
    unitId: deps.unitId,
    write: isBitTable(placed.table) ? 'coil' : 'holding',
    address: placed.address,
    values,
    multiple: rules.multiple,
  };
  const outcome = await send(request, deps);
  if (!rules.readBack) {
    if (outcome === 'silent') throw unknown(config.point);
    return { point: config.point, value, unit: config.unit, before: undefined, after: undefined };
  }
  // After "acknowledge" the device takes its time; otherwise the register holds the value now.
  const pauses = outcome === 'working' ? PATIENCE_MS : [0, 50];
  let after: number[] | undefined;
  for (const pauseMs of pauses) {
    if (pauseMs > 0) await sleep(deps.clock, 'modbus write', pauseMs);
    after = await look().catch(() => undefined);
    if (after !== undefined && String(after) === String(values)) break;
  }
  if (after === undefined) throw unknown(config.point);
  const read = scaled(placed, after);
  if (String(after) !== String(values))
    throw new SmEdgeError(
      'MODBUS_WRITE_NOT_TAKEN',
      `${config.point} holds ${read} after ${value} was written`,
      {
        hint: 'does the device limit the value, or is it in local operation? `readBack: false` where it always answers so',
        details: { point: config.point, value, after: read },
      },
    );
  return {
    point: config.point,
    value,
    unit: config.unit,
    before: before === undefined ? undefined : scaled(placed, before),
    after: read,
  };
}

/** Sends the write: `done`, `working` (acknowledged, exception 5), or `silent` (no answer: perhaps done). */
async function send(request: WriteRequest, deps: WriterDeps): Promise<'done' | 'working' | 'silent'> {
  for (let busy = 0; ; busy++) {
    try {
      await deps.request(request);
      return 'done';
    } catch (thrown) {
      const error = toSmEdgeError(thrown);
      const { exception } = error.details;
      if (exception === 5) return 'working';
      // Not sent again by itself: a command that is late may do harm. Reading back tells whether it was done.
      if (error.code === 'MODBUS_TIMEOUT' || error.code === 'MODBUS_DOUBTFUL') return 'silent';
      const pauseMs = BUSY_PAUSES_MS[busy];
      if (exception !== 6 || pauseMs === undefined) throw error;
      await sleep(deps.clock, 'modbus busy', pauseMs);
    }
  }
}

/** What is written: bits, or registers. */
function rawValues({ config, shape, table }: PlacedPoint, value: number): number[] {
  const raw = (value - config.offset) / config.scale;
  if (!isBitTable(table)) return encodeValue(raw, shape!);
  if (raw !== 0 && raw !== 1)
    throw new SmEdgeError('VALUE_NOT_REPRESENTABLE', `a coil cannot hold ${value}`, { hint: 'write 0 or 1' });
  return [raw];
}

function reader({ table, address, width }: PlacedPoint, deps: WriterDeps): () => Promise<number[]> {
  const request: ReadRequest = { unitId: deps.unitId, table, address, quantity: width };
  return async () => {
    const data = await deps.request(request);
    if (isBitTable(table)) return [decodeBit(data, 0)];
    return Array.from({ length: width }, (_, i) => data.readUInt16BE(2 * i));
  };
}

function scaled({ config, shape, table }: PlacedPoint, values: readonly number[]): number {
  const bytes = Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
  const raw = isBitTable(table) ? values[0]! : decodeValue(bytes, 0, shape!);
  return raw * config.scale + config.offset;
}

const unknown = (point: string): SmEdgeError =>
  new SmEdgeError('MODBUS_WRITE_UNKNOWN', `${point}: no answer; whether the value was taken is not known`, {
    hint: 'look at the device, and at the point, before you write again',
  });
