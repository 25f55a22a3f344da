import { z } from 'zod';
import type { Reading } from '../../signals/reading.js';
import { scalarReading, scalarShape } from '../scalar.js';
import { BlockTiming } from './block-timing.js';
import { jsonPath } from './json-path.js';
import { NO_BLOCKS, NO_READINGS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { invalidPayload, parseNumberText } from './text.js';
import { timestampMs, timeUnit } from './timestamp.js';

const path = () =>
  z
    .string()
    .max(256)
    .refine(
      (text) => jsonPath(text) !== undefined,
      'write a path such as $.value, $.data[0].x or $.items[*].v',
    );

const configSchema = z.strictObject({
  kind: z.literal('json').describe('The payload is a JSON document'),
  value: path().describe('Where the value stands: a number, or an array of numbers'),
  time: z
    .strictObject({ path: path().describe('Where the time stands'), unit: timeUnit() })
    .optional()
    .describe(
      'Time of the value (of the first one, where value is an array); without it the time of arrival',
    ),
  sampleRateHz: z
    .number()
    .positive()
    .max(10e6)
    .optional()
    .describe('The array is a waveform with this many samples per second'),
  ...scalarShape,
});

type JsonConfig = z.infer<typeof configSchema>;

/** A JSON value as a raw number; null is what devices write for "no measurement". */
function rawNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === null) return Number.NaN;
  return typeof value === 'string' ? parseNumberText(value) : undefined;
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('utf8'));
  } catch {
    throw invalidPayload(`${payload.length} bytes that are no JSON`);
  }
}

export const jsonPayload = {
  kind: 'json' as const,
  configSchema,
  createDecoder(config: JsonConfig, pointOf: PointOf): PayloadDecoder {
    const point = pointOf('');
    const valuePath = jsonPath(config.value)!;
    const timePath = config.time === undefined ? undefined : jsonPath(config.time.path)!;
    const timing = new BlockTiming();
    const deviceTime = timePath !== undefined;

    const timeOf = (value: unknown): number => {
      const timeMs = timestampMs(value, config.time!.unit);
      if (timeMs === undefined) {
        throw invalidPayload(
          `${config.time!.path} holds no time in ${config.time!.unit}`,
          'compare time.path and time.unit with a message as it comes in',
        );
      }
      return timeMs;
    };

    const numberOf = (value: unknown): number => {
      const raw = rawNumber(value);
      if (raw === undefined) {
        const found = value === undefined ? 'nothing' : Array.isArray(value) ? 'an array' : typeof value;
        throw invalidPayload(`${config.value} holds ${found}, not a number`);
      }
      return raw;
    };

    const waveform = (values: readonly unknown[]) => {
      const samples = new Float32Array(values.length);
      let finite = true;
      for (let i = 0; i < values.length; i++) {
        const sample = numberOf(values[i]) * config.scale + config.offset;
        finite &&= Number.isFinite(sample);
        samples[i] = sample;
      }
      return { point, samples, finite };
    };

    return {
      decode(payload, arrival) {
        const document = parse(payload);
        const value = valuePath.read(document);
        const time = timePath?.read(document);

        if (!Array.isArray(value)) {
          const timeMs = timePath === undefined ? arrival.timeMs : timeOf(time);
          return {
            readings: [scalarReading(point, timeMs, numberOf(value), config)],
            blocks: NO_BLOCKS,
            deviceTime,
          };
        }
        if (value.length === 0) return { readings: NO_READINGS, blocks: NO_BLOCKS };
        if (config.sampleRateHz !== undefined) {
          const first = Array.isArray(time) ? time[0] : time;
          const startedAtMs = timePath === undefined ? undefined : timeOf(first);
          return timing.stamp([waveform(value)], {
            arrival,
            unit: config.unit,
            sampleRateHz: config.sampleRateHz,
            startedAtMs,
          });
        }
        if (!Array.isArray(time) || time.length !== value.length) {
          throw invalidPayload(
            `${config.value} holds ${value.length} values but there is not one time for each`,
            'declare sampleRateHz for a waveform, or a time.path with as many times as values',
          );
        }
        const readings: Reading[] = value.map((item, i) =>
          scalarReading(point, timeOf(time[i]), numberOf(item), config),
        );
        return { readings, blocks: NO_BLOCKS, deviceTime };
      },
    };
  },
} satisfies PayloadKind<JsonConfig>;
