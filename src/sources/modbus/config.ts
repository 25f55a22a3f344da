import { z } from 'zod';
import { duration, identifier } from '../../base/schema.js';
import { pointName } from '../../signals/point.js';
import { serialPortShape } from '../line.js';
import { scalarShape } from '../scalar.js';
import { planRequests } from './plan.js';
import { isBitTable, MAX_BITS, MAX_REGISTERS, REGISTER_TABLES } from './protocol.js';
import { BYTE_ORDERS, naturalOrder, registersOf, VALUE_TYPES } from './values.js';

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
    .prefault('5s')
    .describe('Deadline for opening the connection'),
};

const silence = duration({ minMs: 1, maxMs: 1_000 })
  .optional()
  .describe(
    'RTU: quiet on the line that ends a frame; default 3.5 characters, at least 2 ms (5 ms over TCP)',
  );

const host = z.string().min(1).max(255).describe('Host name or address');
const port = z.number().int().min(1).max(65_535);

const connectionSchema = z
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

const address = z
  .number()
  .int()
  .min(0)
  .max(65_535)
  .describe('Address in the protocol: what a manual calls 40001 or 30001 is address 0');

const register = z.enum(REGISTER_TABLES).describe('Kind: holding or input register, coil, discrete input');

const order = z
  .enum(BYTE_ORDERS)
  .optional()
  .describe('Bytes on the wire, A the most significant: ABCD, CDAB (words swapped) …; default big-endian');

const pointSchema = z
  .strictObject({
    point: pointName().describe('Name of the measuring point'),
    register,
    address,
    type: z
      .enum(VALUE_TYPES)
      .optional()
      .describe(
        'How the registers are to be read; default uint16, for coils and discrete inputs bit. 8-bit types are the low byte (order BA: the high byte)',
      ),
    order,
    bit: z
      .number()
      .int()
      .min(0)
      .max(15)
      .optional()
      .describe('Type bit in a register: which one, 0 the lowest'),
    ...scalarShape,
    unit: scalarShape.unit.default('1'),
    deadband: z
      .number()
      .positive()
      .optional()
      .describe('Report a change smaller than this, in unit, only once a minute'),
  })
  .superRefine((point, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const bits = isBitTable(point.register);
    const type = point.type ?? (bits ? 'bit' : 'uint16');
    if (bits && type !== 'bit') issue('type', `a ${point.register} is one bit`);
    if (bits && (point.order !== undefined || point.bit !== undefined))
      issue(point.order === undefined ? 'bit' : 'order', `a ${point.register} is one bit`);
    if (!bits && type === 'bit' && point.bit === undefined)
      issue('bit', 'which bit of the register, 0 to 15?');
    if (type !== 'bit' && point.bit !== undefined) issue('bit', 'goes with type: bit');
    checkOrder(point.order, type, (message) => issue('order', message));
    if (!bits && point.address + registersOf(type) > 65_536) issue('address', 'reaches past register 65535');
  });

function checkOrder(
  given: string | undefined,
  type: (typeof VALUE_TYPES)[number],
  issue: (message: string) => void,
) {
  const natural = naturalOrder(type);
  if (given !== undefined && given.length !== natural.length)
    issue(
      `${given} is for ${given.length * 8} bits; for ${type} write ${natural} or another order of its letters`,
    );
}

const flag = (what: string) =>
  z.strictObject({
    address: address.describe(`Holding register ${what}`),
    value: z.number().int().min(0).max(65_535).default(1).describe('Its value'),
  });

const waveformSchema = z
  .strictObject({
    point: pointName().describe('Name of the measuring point'),
    interval: duration({ minMs: 100 }).prefault('1min').describe('From one waveform to the next'),
    trigger: flag('that is written to start the measurement')
      .optional()
      .describe(
        'Starts a measurement: the only write that this source makes; leave out if the device measures by itself',
      ),
    ready: flag('that tells that the samples are there').describe('The flag that is waited for'),
    readyTimeout: duration({ minMs: 10, maxMs: 3_600_000 })
      .prefault('30s')
      .describe('How long the flag is waited for'),
    register: z
      .enum(['holding', 'input'])
      .default('holding')
      .describe('Kind of the registers with the samples'),
    address: address.describe('First register with samples'),
    samples: z.number().int().min(2).max(1_048_576).describe('Samples of one waveform'),
    type: z
      .enum(['int16', 'uint16', 'int32', 'uint32', 'float32'])
      .default('int16')
      .describe('How one sample is written'),
    order,
    page: z
      .strictObject({
        address: address.describe('Holding register that selects the page, from 0 on'),
        registers: z.number().int().min(1).max(65_536).describe('Registers of one page'),
      })
      .optional()
      .describe('Where the samples come in pages through one window of registers'),
    sampleRateHz: z.number().positive().max(10e6).describe('Samples per second'),
    unit: z.string().min(1).max(32).describe('Unit of a sample after scaling, such as g, mm/s'),
    scale: z.number().default(1).describe('The value is raw × scale + offset'),
    offset: z.number().default(0).describe('The value is raw × scale + offset'),
  })
  .superRefine((waveform, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    checkOrder(waveform.order, waveform.type, (message) => issue('order', message));
    const window = waveform.page?.registers ?? waveform.samples * registersOf(waveform.type);
    if (waveform.address + window > 65_536) issue('samples', 'reach past register 65535: declare `page`');
    if (waveform.page !== undefined && waveform.page.registers % registersOf(waveform.type) !== 0)
      issue('page', 'a sample would lie in two pages');
  });

const unitSchema = z
  .strictObject({
    unitId: z
      .number()
      .int()
      .min(0)
      .max(255)
      .describe('Unit id (slave address): 1 to 247, over TCP also 0 and 255'),
    interval: duration({ minMs: 10, maxMs: 86_400_000 }).prefault('1s').describe('From one poll to the next'),
    maxRegisters: z
      .number()
      .int()
      .min(1)
      .max(MAX_REGISTERS)
      .default(MAX_REGISTERS)
      .describe('Most registers that the device gives in one answer'),
    maxBits: z
      .number()
      .int()
      .min(1)
      .max(MAX_BITS)
      .default(MAX_BITS)
      .describe('Most coils or discrete inputs that the device gives in one answer'),
    maxGap: z
      .number()
      .int()
      .min(0)
      .max(124)
      .default(8)
      .describe('Registers between two points that are read along rather than asked around'),
    points: z.array(pointSchema).max(10_000).default([]).describe('What to read at every poll'),
    waveforms: z.array(waveformSchema).max(64).default([]).describe('Blocks of samples behind a ready flag'),
  })
  .refine(
    ({ points, waveforms }) => points.length + waveforms.length > 0,
    'a unit needs at least one point or waveform',
  );

export const modbusConfigSchema = z
  .strictObject({
    id: identifier().describe('Name of this source, unique in the gateway'),
    type: z.literal('modbus').describe('Modbus client: TCP, RTU, or RTU over TCP'),
    connection: connectionSchema,
    units: z
      .array(unitSchema)
      .min(1)
      .max(1_000)
      .describe('The devices; one unit id may stand more than once, with other intervals'),
  })
  .superRefine((config, context) => {
    const seen = new Set<string>();
    for (const [index, unit] of config.units.entries()) {
      const issue = (path: (string | number)[], message: string) =>
        context.addIssue({ code: 'custom', path: ['units', index, ...path], message });
      for (const list of ['points', 'waveforms'] as const) {
        for (const [at, { point }] of unit[list].entries()) {
          if (seen.has(point)) issue([list, at, 'point'], `${point} stands twice`);
          seen.add(point);
        }
      }
      if (config.connection.transport !== 'tcp' && (unit.unitId < 1 || unit.unitId > 247))
        issue(['unitId'], 'on a serial line units are 1 to 247');
      const requests = planRequests(unit.points.map(placePoint), unit).length;
      if (requests * config.connection.turnaround > unit.interval)
        issue(['interval'], `${requests} requests with the turnaround pause take longer than this`);
    }
  });

export type ModbusConfig = z.infer<typeof modbusConfigSchema>;
export type ConnectionConfig = ModbusConfig['connection'];
export type UnitConfig = ModbusConfig['units'][number];
export type PointConfig = UnitConfig['points'][number];
export type WaveformConfig = UnitConfig['waveforms'][number];

/** A point with everything that its defaults stand for. */
export function placePoint(config: PointConfig) {
  const bits = isBitTable(config.register);
  const type = config.type ?? (bits ? 'bit' : 'uint16');
  return {
    config,
    table: config.register,
    address: config.address,
    width: bits ? 1 : registersOf(type),
    shape: { type, order: config.order ?? naturalOrder(type), bit: config.bit ?? 0 },
  } as const;
}

export type PlacedPoint = ReturnType<typeof placePoint>;
