import { z } from 'zod';
import { byteSize } from '../../../base/schema.js';
import { DelimitedDeframer } from './delimited.js';
import type { FramingKind } from './framing.js';

const configSchema = z.strictObject({
  kind: z.literal('line').describe('Lines of text'),
  delimiter: z
    .string()
    .min(1)
    .max(8)
    .default('\n')
    .describe('What ends a line; with "\\n" a "\\r" before it is dropped too'),
  maxBytes: byteSize({ minBytes: 8 }).prefault('4KiB').describe('Longest line; a longer one is dropped'),
});

type LineConfig = z.infer<typeof configSchema>;

/** Text with a delimiter behind each line. The first, whose start nobody saw, is dropped. */
export const lineFraming = {
  kind: 'line' as const,
  configSchema,
  createDeframer: ({ delimiter, maxBytes }: LineConfig) =>
    new DelimitedDeframer(Buffer.from(delimiter, 'utf8'), maxBytes, (line) => {
      const end = delimiter === '\n' && line.at(-1) === 0x0d ? line.length - 1 : line.length;
      return end === 0 ? 'empty' : line.subarray(0, end);
    }),
} satisfies FramingKind<LineConfig>;
