import { createDecoder, payloadSchema } from '#sm/sources/payloads/index.js';
import type { Arrival, Decoded, PayloadDecoder, PointOf } from '#sm/sources/payloads/payload.js';

export const ARRIVAL: Arrival = { timeMs: 1_750_000_000_000, repeated: false };

/** Points are `p.<channel>`, or `<names>.<channel>` where the payload brings names of its own. */
const pointOf = (channel: string, names?: Readonly<Record<string, string>>) =>
  `${names === undefined || Object.keys(names).length === 0 ? 'p' : Object.values(names).join('.')}.${channel || 'x'}`;

export const decoder = (config: Record<string, unknown>): PayloadDecoder =>
  createDecoder(payloadSchema.parse(config), pointOf as PointOf);

export const decode = (config: Record<string, unknown>, payload: Uint8Array | string): Decoded =>
  decoder(config).decode(typeof payload === 'string' ? Buffer.from(payload) : payload, ARRIVAL);
