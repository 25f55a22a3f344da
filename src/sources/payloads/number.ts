import { z } from 'zod';
import { scalarReading, scalarShape } from '../scalar.js';
import { NO_BLOCKS, type PayloadDecoder, type PayloadKind, type PointOf } from './payload.js';
import { asBuffer, excerpt, invalidPayload, parseNumberText } from './text.js';

const configSchema = z.strictObject({
  kind: z.literal('number').describe('The payload is one number as text, such as 23.4'),
  ...scalarShape,
});

type NumberConfig = z.infer<typeof configSchema>;

const LONGEST_NUMBER_BYTES = 64;

export const numberPayload = {
  kind: 'number' as const,
  configSchema,
  createDecoder(config: NumberConfig, pointOf: PointOf): PayloadDecoder {
    const point = pointOf('');
    return {
      decode(payload, arrival) {
        if (payload.length > LONGEST_NUMBER_BYTES) {
          throw invalidPayload(`${payload.length} bytes are no single number`);
        }
        const text = asBuffer(payload).toString('utf8');
        const raw = parseNumberText(text);
        if (raw === undefined) throw invalidPayload(`${excerpt(text)} is not a number`);
        return { readings: [scalarReading(point, arrival.timeMs, raw, config)], blocks: NO_BLOCKS };
      },
    };
  },
} satisfies PayloadKind<NumberConfig>;
