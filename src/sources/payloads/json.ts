import { z } from 'zod';
import { documentDecoder } from './document.js';
import { checkDocument, documentShape } from './document-config.js';
import type { PayloadDecoder, PayloadKind, PointOf } from './payload.js';
import { asBuffer, invalidPayload } from './text.js';

const configSchema = z
  .strictObject({ kind: z.literal('json').describe('The payload is a JSON document'), ...documentShape })
  .superRefine(checkDocument);

type JsonConfig = z.infer<typeof configSchema>;

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(asBuffer(payload).toString('utf8'));
  } catch {
    throw invalidPayload(`${payload.length} bytes that are no JSON`);
  }
}

export const jsonPayload = {
  kind: 'json' as const,
  configSchema,
  channels: (config: JsonConfig) => config.values?.map(({ channel }) => channel),
  createDecoder: (config: JsonConfig, pointOf: PointOf): PayloadDecoder =>
    documentDecoder(config, pointOf, parse),
} satisfies PayloadKind<JsonConfig>;
