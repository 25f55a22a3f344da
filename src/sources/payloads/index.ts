import { z } from 'zod';
import { cborPayload } from './cbor.js';
import { csvPayload } from './csv.js';
import { fieldsPayload } from './fields.js';
import { jsonPayload } from './json.js';
import { lineProtocolPayload } from './line-protocol.js';
import { numberPayload } from './number.js';
import { patternPayload } from './pattern.js';
import type { PayloadDecoder, PayloadKind, PointOf } from './payload.js';
import { wavPayload } from './wav.js';
import { waveformPayload } from './waveform.js';

/** Every payload kind: one file, one line here and one in the schema. */
const PAYLOAD_KINDS = [
  waveformPayload,
  jsonPayload,
  numberPayload,
  csvPayload,
  fieldsPayload,
  patternPayload,
  cborPayload,
  lineProtocolPayload,
  wavPayload,
] as const;

export const payloadSchema = z
  .discriminatedUnion('kind', [
    waveformPayload.configSchema,
    jsonPayload.configSchema,
    numberPayload.configSchema,
    csvPayload.configSchema,
    fieldsPayload.configSchema,
    patternPayload.configSchema,
    cborPayload.configSchema,
    lineProtocolPayload.configSchema,
    wavPayload.configSchema,
  ])
  .describe('How a message is written');

export type PayloadConfig = z.infer<typeof payloadSchema>;

const kindOf = (config: PayloadConfig): PayloadKind<PayloadConfig> =>
  PAYLOAD_KINDS.find(({ kind }) => kind === config.kind) as unknown as PayloadKind<PayloadConfig>;

export const createDecoder = (config: PayloadConfig, pointOf: PointOf): PayloadDecoder =>
  kindOf(config).createDecoder(config, pointOf);

/** Names of the channels of one payload, or undefined where the kind or the config has none. */
export const payloadChannels = (config: PayloadConfig): readonly string[] | undefined =>
  kindOf(config).channels?.(config);

/** Names that each payload brings for the point template, beside the channel. */
export const payloadNames = (config: PayloadConfig): readonly string[] =>
  kindOf(config).names?.(config) ?? [];
