import { z } from 'zod';
import type { Reading } from '../../signals/reading.js';
import { MAX_SAMPLE_RATE_HZ } from '../../signals/sample-rate.js';
import { scalarReading, scalarShape } from '../scalar.js';
import { BlockTiming } from './block-timing.js';
import { NO_BLOCKS, NO_READINGS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { asBuffer, excerpt, invalidPayload, parseNumberText } from './text.js';
import { timestampMs, timeUnit } from './timestamp.js';

const column = (what: string) =>
  z.number().int().min(1).max(1000).describe(`Column of ${what}; the first is 1`);

const configSchema = z.strictObject({
  kind: z.literal('csv').describe('The payload is text, one line a value, in columns'),
  separator: z.string().min(1).max(4).default(',').describe('What stands between two columns'),
  decimal: z.enum(['.', ',']).default('.').describe('Decimal sign'),
  skipLines: z.number().int().min(0).max(100).default(0).describe('Lines of heading before the first value'),
  value: column('the value').default(1),
  time: z
    .strictObject({ column: column('the time'), unit: timeUnit() })
    .optional()
    .describe('Time of each line; without it the time of arrival'),
  sampleRateHz: z
    .number()
    .positive()
    .max(MAX_SAMPLE_RATE_HZ)
    .optional()
    .describe('The lines are a waveform with this many samples per second'),
  ...scalarShape,
});

type CsvConfig = z.infer<typeof configSchema>;

export const csvPayload = {
  kind: 'csv' as const,
  configSchema,
  createDecoder(config: CsvConfig, pointOf: PointOf): PayloadDecoder {
    const point = pointOf('');
    const timing = new BlockTiming();
    const { separator, decimal, time } = config;

    const cells = (payload: Uint8Array): string[][] => {
      const text = asBuffer(payload).toString('utf8');
      const lines = text.split(/\r?\n/).slice(config.skipLines);
      return lines.filter((line) => line.trim() !== '').map((line) => line.split(separator));
    };

    const cell = (row: readonly string[], index: number, line: number): string => {
      const text = row[index - 1];
      if (text === undefined)
        throw invalidPayload(`line ${line + 1} has ${row.length} columns, not ${index}`);
      const trimmed = text.trim();
      return /^".*"$/.test(trimmed) ? trimmed.slice(1, -1) : trimmed;
    };

    const numberAt = (row: readonly string[], line: number): number => {
      const text = cell(row, config.value, line);
      const raw = parseNumberText(decimal === ',' ? text.replace(',', '.') : text);
      if (raw === undefined) throw invalidPayload(`line ${line + 1}: ${excerpt(text)} is not a number`);
      return raw;
    };

    const timeAt = (row: readonly string[], line: number): number => {
      const text = cell(row, time!.column, line);
      const timeMs = timestampMs(text, time!.unit);
      if (timeMs === undefined)
        throw invalidPayload(`line ${line + 1}: ${excerpt(text)} is no time in ${time!.unit}`);
      return timeMs;
    };

    return {
      decode(payload, arrival) {
        const rows = cells(payload);
        if (rows.length === 0) return { readings: NO_READINGS, blocks: NO_BLOCKS };
        if (config.sampleRateHz === undefined) {
          if (time === undefined && rows.length > 1) {
            throw invalidPayload(
              `${rows.length} lines without a time each`,
              'declare time.column, or sampleRateHz for a waveform',
            );
          }
          const readings: Reading[] = rows.map((row, line) =>
            scalarReading(
              point,
              time === undefined ? arrival.timeMs : timeAt(row, line),
              numberAt(row, line),
              config,
            ),
          );
          return { readings, blocks: NO_BLOCKS, deviceTime: time !== undefined };
        }
        let finite = true;
        const samples = Float32Array.from(rows, (row, line) => {
          const sample = numberAt(row, line) * config.scale + config.offset;
          finite &&= Number.isFinite(sample);
          return sample;
        });
        return timing.stamp([{ point, samples, finite }], {
          arrival,
          unit: config.unit,
          sampleRateHz: config.sampleRateHz,
          startedAtMs: time === undefined ? undefined : timeAt(rows[0]!, 0),
        });
      },
    };
  },
} satisfies PayloadKind<CsvConfig>;
