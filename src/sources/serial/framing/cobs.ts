import { z } from 'zod';
import { byteSize } from '../../../base/schema.js';
import { checkBytes, checkSchema, passes } from './check.js';
import { DelimitedDeframer } from './delimited.js';
import type { FramingKind } from './framing.js';

const configSchema = z.strictObject({
  kind: z.literal('cobs').describe('Consistent overhead byte stuffing: frames between zero bytes'),
  check: checkSchema.optional(),
  maxBytes: byteSize({ minBytes: 8 }).prefault('64KiB').describe('Longest frame; a longer one is dropped'),
});

type CobsConfig = z.infer<typeof configSchema>;

/** Decodes one frame (without its delimiter); undefined where it is none. Cheshire and Baker, SIGCOMM 1997. */
export function decodeCobs(frame: Buffer): Buffer | undefined {
  const out = Buffer.alloc(frame.length);
  let length = 0;
  for (let at = 0; at < frame.length; ) {
    const code = frame[at++]!;
    if (code === 0 || at + code - 1 > frame.length) return undefined;
    frame.copy(out, length, at, at + code - 1);
    length += code - 1;
    at += code - 1;
    if (code < 0xff && at < frame.length) out[length++] = 0;
  }
  return out.subarray(0, length);
}

export const cobsFraming = {
  kind: 'cobs' as const,
  configSchema,
  createDeframer: ({ check, maxBytes }: CobsConfig) =>
    new DelimitedDeframer(Buffer.of(0), maxBytes, (frame) =>
      frame.length === 0 ? 'empty' : checked(decodeCobs(frame), check),
    ),
} satisfies FramingKind<CobsConfig>;

/** The payload without its check value. */
export function checked(
  payload: Buffer | undefined,
  check: CobsConfig['check'],
): Buffer | 'check' | 'encoding' {
  if (payload === undefined) return 'encoding';
  if (check === undefined) return payload;
  const end = payload.length - checkBytes(check);
  // The CRC of nothing is a row of zeros in some of them: four zero bytes of garbage would pass for an empty frame.
  if (end <= 0 || !passes(check, payload, 0, end)) return 'check';
  return payload.subarray(0, end);
}
