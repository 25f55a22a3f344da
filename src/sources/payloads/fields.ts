import { z } from 'zod';
import { scalarReading, scalarShape } from '../scalar.js';
import { channelName } from './channel-name.js';
import { NO_BLOCKS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { bytesPerSample, SAMPLE_ENCODINGS, type SampleEncoding } from './sample-encoding.js';
import { invalidPayload } from './text.js';

const MAX_OFFSET = 65_535;

const configSchema = z.strictObject({
  kind: z.literal('fields').describe('The payload is binary, each value at its place'),
  bytes: z
    .number()
    .int()
    .min(1)
    .max(MAX_OFFSET + 1)
    .optional()
    .describe('Length of the payload: one of another length is refused'),
  values: z
    .array(
      z.strictObject({
        channel: channelName().describe('Name of the value; the point then holds {channel}'),
        at: z.number().int().min(0).max(MAX_OFFSET).describe('Where it starts, bytes from the start'),
        type: z.enum(SAMPLE_ENCODINGS).describe('How it is written'),
        ...scalarShape,
      }),
    )
    .min(1)
    .max(256)
    .refine((values) => new Set(values.map(({ channel }) => channel)).size === values.length, {
      message: 'a channel stands twice',
    })
    .describe('The values in the payload'),
});

type FieldsConfig = z.infer<typeof configSchema>;

/** Several numbers in one binary message, as small instruments send them. */
export const fieldsPayload = {
  kind: 'fields' as const,
  configSchema,
  channels: (config: FieldsConfig) => config.values.map(({ channel }) => channel),
  createDecoder(config: FieldsConfig, pointOf: PointOf): PayloadDecoder {
    const values = config.values.map((rules) => ({ point: pointOf(rules.channel), rules }));
    const needed = Math.max(...values.map(({ rules }) => rules.at + bytesPerSample(rules.type)));
    return {
      decode(payload, arrival) {
        if (payload.length < needed || (config.bytes !== undefined && payload.length !== config.bytes)) {
          throw invalidPayload(
            `${payload.length} bytes where ${config.bytes ?? `at least ${needed}`} are declared`,
          );
        }
        const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
        const readings = values.map(({ point, rules }) =>
          scalarReading(point, arrival.timeMs, readNumber(view, rules.at, rules.type), rules),
        );
        return { readings, blocks: NO_BLOCKS };
      },
    };
  },
} satisfies PayloadKind<FieldsConfig>;

/** One number, at double precision (a sample would be rounded to float32). */
export function readNumber(view: DataView, at: number, encoding: SampleEncoding): number {
  const little = encoding.endsWith('le');
  switch (encoding) {
    case 'uint8':
      return view.getUint8(at);
    case 'int8':
      return view.getInt8(at);
    case 'uint16le':
    case 'uint16be':
      return view.getUint16(at, little);
    case 'int16le':
    case 'int16be':
      return view.getInt16(at, little);
    case 'int24le':
      return view.getInt8(at + 2) * 65_536 + view.getUint16(at, true);
    case 'int24be':
      return view.getInt8(at) * 65_536 + view.getUint16(at + 1, false);
    case 'int32le':
    case 'int32be':
      return view.getInt32(at, little);
    case 'float32le':
    case 'float32be':
      return view.getFloat32(at, little);
    case 'float64le':
    case 'float64be':
      return view.getFloat64(at, little);
  }
}
