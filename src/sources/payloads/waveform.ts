import { z } from 'zod';
import { calibrationLine, calibrationOf, calibrationSchema } from '../../signals/calibration.js';
import { isSampleRate, MAX_SAMPLE_RATE_HZ } from '../../signals/sample-rate.js';
import { BlockTiming, type ChannelSamples } from './block-timing.js';
import { channelName } from './channel-name.js';
import { fieldModulus, HEADER_FIELD_TYPES, headerFieldBytes, readHeaderField } from './header-field.js';
import type { PayloadDecoder, PayloadKind, PointOf } from './payload.js';
import { bytesPerSample, rawFullScale, readSamples, SAMPLE_ENCODINGS } from './sample-encoding.js';
import { invalidPayload } from './text.js';
import { TIME_UNITS, timestampMs } from './timestamp.js';

const headerField = (what: string) =>
  z.strictObject({
    offset: z
      .number()
      .int()
      .min(0)
      .max(4095)
      .describe(`Where ${what} starts, bytes from the start of the payload`),
    type: z.enum(HEADER_FIELD_TYPES).describe(`How ${what} is written`),
  });

const headerSchema = z
  .strictObject({
    bytes: z.number().int().min(1).max(4096).describe('Length of the header; the samples follow it'),
    sequence: headerField('the block number')
      .optional()
      .describe('Running number of the block: a jump is a lost block'),
    startTime: headerField('the start time')
      .extend({
        unit: z
          .enum(TIME_UNITS)
          .exclude(['iso'])
          .default('us')
          .describe('Unit of the start time since the Unix epoch'),
      })
      .optional()
      .describe('Time of the first sample'),
    sampleRateHz: headerField('the sample rate').optional().describe('Samples per second and channel'),
    samples: headerField('the number of samples')
      .optional()
      .describe('Samples per channel: a payload that holds another number is refused as truncated'),
  })
  .superRefine((header, context) => {
    for (const key of ['sequence', 'startTime', 'sampleRateHz', 'samples'] as const) {
      const field = header[key];
      if (field !== undefined && field.offset + headerFieldBytes(field.type) > header.bytes) {
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `reaches past the ${header.bytes} bytes of the header`,
        });
      }
    }
  });

const configSchema = z
  .strictObject({
    kind: z.literal('waveform').describe('The payload is a run of raw samples'),
    encoding: z.enum(SAMPLE_ENCODINGS).default('float32le').describe('How one sample is written'),
    sampleRateHz: z
      .number()
      .positive()
      .max(MAX_SAMPLE_RATE_HZ)
      .optional()
      .describe('Samples per second and channel; may be missing where the header holds it'),
    unit: z.string().min(1).max(32).describe('Unit of a sample after scaling, such as g, mm/s, Pa'),
    scale: z.number().optional().describe('The value is raw × scale + offset; default 1'),
    offset: z.number().default(0).describe('The value is raw × scale + offset'),
    fullScale: z
      .number()
      .positive()
      .optional()
      .describe('Value at digital full scale, in unit: replaces scale (an int16 of 32768 is fullScale)'),
    calibration: calibrationSchema.optional(),
    samples: z
      .number()
      .int()
      .min(1)
      .max(16_777_216)
      .optional()
      .describe('Samples per channel in each payload: one that holds another number is refused as truncated'),
    channels: z
      .array(channelName())
      .min(1)
      .max(64)
      .refine((names) => new Set(names).size === names.length, 'a channel stands twice')
      .optional()
      .describe('Names of the channels in a payload, in order; the point then holds {channel}'),
    layout: z
      .enum(['interleaved', 'planar'])
      .default('interleaved')
      .describe('Channels sample by sample, or one whole channel after the other'),
    header: headerSchema.optional().describe('What stands before the samples'),
  })
  .superRefine((config, context) => {
    if (config.sampleRateHz === undefined && config.header?.sampleRateHz === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['sampleRateHz'],
        message: 'is missing, and no header holds it',
      });
    }
    if (config.scale !== undefined && config.fullScale !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['fullScale'],
        message: 'stands beside scale: declare one of the two',
      });
    }
    if (
      config.calibration !== undefined &&
      (config.scale !== undefined || config.fullScale !== undefined || config.offset !== 0)
    ) {
      context.addIssue({
        code: 'custom',
        path: ['calibration'],
        message: 'stands beside scale, offset or fullScale: it replaces them',
      });
    }
  });

export type WaveformConfig = z.infer<typeof configSchema>;

/** value = raw × scale + offset, from whichever of the ways the config declares it. */
function lineOf(config: WaveformConfig): { readonly scale: number; readonly offset: number } {
  const { calibration, encoding, fullScale } = config;
  if (calibration !== undefined) {
    const whole = { bits: bytesPerSample(encoding) * 8, signed: !encoding.startsWith('u') };
    const form = encoding.startsWith('float') ? undefined : whole;
    return calibrationLine(calibrationOf(calibration, form, config.unit));
  }
  const scale = fullScale === undefined ? (config.scale ?? 1) : fullScale / rawFullScale(encoding);
  return { scale, offset: config.offset };
}

export const waveformPayload = {
  kind: 'waveform' as const,
  configSchema,
  channels: (config: WaveformConfig) => config.channels,
  createDecoder(config: WaveformConfig, pointOf: PointOf): PayloadDecoder {
    const points = (config.channels ?? ['']).map((channel) => pointOf(channel));
    const channels = points.length;
    const { encoding, layout, header } = config;
    const sampleBytes = bytesPerSample(encoding);
    const frameBytes = sampleBytes * channels;
    const headerBytes = header?.bytes ?? 0;
    const { scale, offset: bias } = lineOf(config);
    const timing = new BlockTiming();
    const sequenceModulus = header?.sequence === undefined ? undefined : fieldModulus(header.sequence.type);

    /** Number of samples per channel; throws where the payload is not whole. */
    const sampleCount = (payload: Uint8Array, view: DataView): number => {
      const bytes = payload.length - headerBytes;
      if (bytes < frameBytes || bytes % frameBytes !== 0) {
        throw invalidPayload(
          `${payload.length} bytes are not a header of ${headerBytes} and whole frames of ${frameBytes} bytes`,
          `a frame is ${channels} × ${encoding}: compare encoding, channels and header with what is sent`,
        );
      }
      const count = bytes / frameBytes;
      const declared =
        header?.samples === undefined ? config.samples : Number(readHeaderField(view, header.samples));
      if (declared !== undefined && declared !== count) {
        throw invalidPayload(`${count} samples where ${declared} are declared: the payload is truncated`);
      }
      return count;
    };

    const sampleRate = (view: DataView): number => {
      if (header?.sampleRateHz === undefined) return config.sampleRateHz!;
      const rate = Number(readHeaderField(view, header.sampleRateHz));
      if (!isSampleRate(rate)) throw invalidPayload(`a sample rate of ${rate} Hz in the header`);
      return rate;
    };

    const startTime = (view: DataView): number | undefined => {
      if (header?.startTime === undefined) return undefined;
      const { unit } = header.startTime;
      const timeMs = timestampMs(readHeaderField(view, header.startTime), unit);
      if (timeMs === undefined) throw invalidPayload('the start time in the header is no time');
      return timeMs;
    };

    return {
      decode(payload, arrival) {
        const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
        const count = sampleCount(payload, view);
        const sampleRateHz = sampleRate(view);
        const startedAtMs = startTime(view);
        const sequence =
          header?.sequence === undefined ? undefined : Number(readHeaderField(view, header.sequence));
        const planar = layout === 'planar';
        const stride = planar ? sampleBytes : frameBytes;
        const runs: ChannelSamples[] = points.map((point, channel) => {
          const offset = headerBytes + channel * (planar ? count * sampleBytes : sampleBytes);
          const run = { bytes: payload, offset, stride, count };
          return { point, ...readSamples(run, encoding, scale, bias) };
        });
        return timing.stamp(runs, {
          arrival,
          unit: config.unit,
          sampleRateHz,
          startedAtMs,
          sequence,
          sequenceModulus,
        });
      },
    };
  },
} satisfies PayloadKind<WaveformConfig>;
