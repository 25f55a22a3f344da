import { z } from 'zod';
import { duration } from '../../base/schema.js';
import { calibrationSchema } from '../../signals/calibration.js';
import { pointName } from '../../signals/point.js';
import { MAX_SAMPLE_RATE_HZ } from '../../signals/sample-rate.js';
import { address, checkOrder, order, register } from './config-point.js';
import { registersOf } from './values.js';

const flagValue = z.number().int().min(0).max(65_535).default(1).describe('Its value');

/** Something that is written: a holding register or a coil. */
const command = (what: string) =>
  z.strictObject({
    register: z.enum(['holding', 'coil']).default('holding').describe('Holding register or coil'),
    address: address.describe(`Register ${what}`),
    value: flagValue,
  });

/** Something that is waited for, in any kind of register. */
const flag = (what: string) =>
  z.strictObject({
    register: register.default('holding').describe('Kind of the register'),
    address: address.describe(`Register ${what}`),
    mask: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Bits of the register that count, such as 0x0004; all where it is missing'),
    value: flagValue,
  });

const samplesShape = {
  type: z
    .enum(['int16', 'uint16', 'int32', 'uint32', 'float32'])
    .default('int16')
    .describe('How one sample is written'),
  order,
  sampleRateHz: z.number().positive().max(MAX_SAMPLE_RATE_HZ).describe('Samples per second'),
  unit: z.string().min(1).max(32).describe('Unit of a sample after scaling, such as g, mm/s'),
  scale: z.number().default(1).describe('The value is raw × scale + offset'),
  offset: z.number().default(0).describe('The value is raw × scale + offset'),
  calibration: calibrationSchema.optional(),
};

export const waveformSchema = z
  .strictObject({
    point: pointName().describe('Name of the measuring point'),
    interval: duration({ minMs: 100 }).prefault('1min').describe('From one waveform to the next'),
    trigger: command('that is written to start the measurement')
      .optional()
      .describe('Starts a measurement; leave it out where the device measures by itself'),
    ready: flag('that tells that the samples are there').describe('The flag that is waited for'),
    readyTimeout: duration({ minMs: 10, maxMs: 3_600_000 })
      .prefault('30s')
      .describe('How long the flag is waited for'),
    done: command('that is written when the samples were read')
      .optional()
      .describe('Releases the samples, so that the device may measure again'),
    register: z
      .enum(['holding', 'input'])
      .default('holding')
      .describe('Kind of the registers with the samples'),
    address: address.describe('First register with samples'),
    samples: z.number().int().min(2).max(1_048_576).describe('Samples of one waveform'),
    page: z
      .strictObject({
        address: address.describe('Holding register that selects the page, from 0 on'),
        registers: z.number().int().min(1).max(65_536).describe('Registers of one page'),
      })
      .optional()
      .describe('Where the samples come in pages through one window of registers'),
    ...samplesShape,
  })
  .superRefine((waveform, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (waveform.calibration !== undefined && (waveform.scale !== 1 || waveform.offset !== 0))
      issue('calibration', 'stands beside scale or offset: it replaces them');
    checkOrder(waveform.order, waveform.type, (message) => issue('order', message));
    const window = waveform.page?.registers ?? waveform.samples * registersOf(waveform.type);
    if (waveform.address + window > 65_536) issue('samples', 'reach past register 65535: declare `page`');
    if (waveform.page !== undefined && waveform.page.registers % registersOf(waveform.type) !== 0)
      issue('page', 'a sample would lie in two pages');
  });

export type WaveformConfig = z.infer<typeof waveformSchema>;

export const fifoSchema = z
  .strictObject({
    point: pointName().describe('Name of the measuring point'),
    address: address.describe('FIFO pointer: the address that function code 24 is given'),
    interval: duration({ minMs: 10 })
      .prefault('100ms')
      .describe('From one look at the queue to the next; it must not fill up (31 registers) in that time'),
    clear: command('that is written when the queue was read')
      .optional()
      .describe('Empties the queue; leave it out where the device drops what was read'),
    ...samplesShape,
  })
  .superRefine((fifo, context) => {
    if (fifo.calibration !== undefined && (fifo.scale !== 1 || fifo.offset !== 0))
      context.addIssue({
        code: 'custom',
        path: ['calibration'],
        message: 'stands beside scale or offset: it replaces them',
      });
    checkOrder(fifo.order, fifo.type, (message) =>
      context.addIssue({ code: 'custom', path: ['order'], message }),
    );
  });

export type FifoConfig = z.infer<typeof fifoSchema>;
export type CommandConfig = NonNullable<WaveformConfig['trigger']>;
