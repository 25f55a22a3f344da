import { z } from 'zod';
import { duration, identifier } from '../../base/schema.js';
import { intakeShape } from '../intake/config.js';
import { serialContradiction } from '../line.js';
import { connectionSchema } from './config-connection.js';
import { placePoint, pointSchema } from './config-point.js';
import { fifoSchema, waveformSchema } from './config-waveform.js';
import { leastTimeMs } from './line-load.js';
import { planRequests } from './plan.js';
import { MAX_BITS, MAX_REGISTERS } from './protocol.js';
import { POLL_PRIORITIES } from './request-queue.js';

const unitSchema = z
  .strictObject({
    unitId: z
      .number()
      .int()
      .min(0)
      .max(255)
      .describe('Unit id (slave address): 1 to 247, over TCP also 0 and 255'),
    interval: duration({ minMs: 10, maxMs: 86_400_000 }).prefault('1s').describe('From one poll to the next'),
    priority: z
      .enum(POLL_PRIORITIES)
      .default('normal')
      .describe(
        'Who goes first where several wait for the link; nobody waits longer for it than some seconds',
      ),
    timeout: duration({ minMs: 10, maxMs: 60_000 })
      .optional()
      .describe('Deadline of one request to this unit; default that of the connection'),
    retries: z
      .number()
      .int()
      .min(0)
      .max(5)
      .optional()
      .describe('Repetitions for this unit; default those of the connection'),
    turnaround: duration({ maxMs: 10_000 })
      .optional()
      .describe('Pause after an answer of this unit; default that of the connection'),
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
    fifos: z.array(fifoSchema).max(64).default([]).describe('Queues of samples (function code 24)'),
  })
  .refine(
    ({ points, waveforms, fifos }) => points.length + waveforms.length + fifos.length > 0,
    'a unit needs at least one point, waveform or queue',
  );

export const modbusConfigSchema = z
  .strictObject({
    id: identifier().describe('Name of this source, unique in the gateway'),
    type: z.literal('modbus').describe('Modbus client: TCP, RTU, or RTU over TCP'),
    ...intakeShape,
    connection: connectionSchema,
    units: z
      .array(unitSchema)
      .min(1)
      .max(1_000)
      .describe('Poll groups: a unit and what is read of it together; one unit id may stand more than once'),
  })
  .superRefine((config, context) => {
    const port = config.connection.transport === 'rtu' ? serialContradiction(config.connection) : undefined;
    if (port !== undefined)
      context.addIssue({ code: 'custom', path: ['connection', 'rs485'], message: port });
    const seen = new Set<string>();
    let load = 0;
    let full = false;
    for (const [index, unit] of config.units.entries()) {
      const issue = (path: (string | number)[], message: string) =>
        context.addIssue({ code: 'custom', path: ['units', index, ...path], message });
      for (const list of ['points', 'waveforms', 'fifos'] as const) {
        for (const [at, { point }] of unit[list].entries()) {
          if (seen.has(point)) issue([list, at, 'point'], `${point} stands twice`);
          seen.add(point);
        }
      }
      if (config.connection.transport !== 'tcp' && (unit.unitId < 1 || unit.unitId > 247))
        issue(['unitId'], 'on a serial line units are 1 to 247');
      const requests = planRequests(unit.points.map(placePoint), unit);
      const leastMs = leastTimeMs(requests, config.connection, turnaroundOf(unit, config.connection));
      load += leastMs / unit.interval;
      if (leastMs > unit.interval)
        issue(
          ['interval'],
          `its ${requests.length} requests take ${Math.ceil(leastMs)} ms on the line at least`,
        );
      else if (load > 1 && !full) {
        full = true;
        issue(
          ['interval'],
          `with this unit the line is asked for ${Math.round(load * 100)} % of its time: longer intervals, more baud`,
        );
      }
    }
  });

/** Pause after an answer of this unit, ms. */
export const turnaroundOf = (
  unit: { readonly turnaround?: number | undefined },
  connection: { readonly turnaround: number },
): number => unit.turnaround ?? connection.turnaround;

export type ModbusConfig = z.infer<typeof modbusConfigSchema>;
export type UnitConfig = ModbusConfig['units'][number];
