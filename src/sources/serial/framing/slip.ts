import { z } from 'zod';
import { byteSize } from '../../../base/schema.js';
import { checkSchema } from './check.js';
import { checked } from './cobs.js';
import { DelimitedDeframer } from './delimited.js';
import type { FramingKind } from './framing.js';

const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

const configSchema = z.strictObject({
  kind: z.literal('slip').describe('SLIP (RFC 1055): frames between bytes C0'),
  check: checkSchema.optional(),
  maxBytes: byteSize({ minBytes: 8 }).prefault('64KiB').describe('Longest frame; a longer one is dropped'),
});

type SlipConfig = z.infer<typeof configSchema>;

/** Undoes the escapes of RFC 1055; undefined where an escape is none. */
export function decodeSlip(frame: Buffer): Buffer | undefined {
  if (!frame.includes(ESC)) return frame;
  const out = Buffer.alloc(frame.length);
  let length = 0;
  for (let at = 0; at < frame.length; at++) {
    let byte = frame[at]!;
    if (byte === ESC) {
      const escaped = frame[++at];
      if (escaped !== ESC_END && escaped !== ESC_ESC) return undefined;
      byte = escaped === ESC_END ? END : ESC;
    }
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

export const slipFraming = {
  kind: 'slip' as const,
  configSchema,
  createDeframer: ({ check, maxBytes }: SlipConfig) =>
    new DelimitedDeframer(Buffer.of(END), maxBytes, (frame) =>
      frame.length === 0 ? 'empty' : checked(decodeSlip(frame), check),
    ),
} satisfies FramingKind<SlipConfig>;
