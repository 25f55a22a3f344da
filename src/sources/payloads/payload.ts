import type { z } from 'zod';
import type { SmEdgeError } from '../../base/errors.js';
import type { Reading } from '../../signals/reading.js';
import type { SampleBlock } from '../../signals/sample-block.js';

/** What a message turned into. */
export interface Decoded {
  readonly readings: readonly Reading[];
  readonly blocks: readonly SampleBlock[];
  /** The times are the device's own, not those of arrival. */
  readonly deviceTime?: boolean;
  /** Interruptions of a continuous stream before this payload, and the blocks that are known to be lost in them. */
  readonly gaps?: number;
  readonly lostBlocks?: number;
  /** What could not be used of it, where the rest could. */
  readonly partial?: SmEdgeError;
}

/** When a message came in. */
export interface Arrival {
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** The transport marks it as perhaps sent before (the DUP flag of MQTT). */
  readonly repeated: boolean;
}

/** Decodes the payloads of one topic or line. One for each, so it may remember sequence numbers and block times. */
export interface PayloadDecoder {
  /** Throws a `PAYLOAD_INVALID` error for a payload that will never decode, however often it is sent again. */
  decode(payload: Uint8Array, arrival: Arrival): Decoded;
}

/**
 * Names the point of a channel; a payload without channels asks for the empty one. `names` are what the payload
 * itself brings for the template (`PayloadKind.names`); undefined where they make no name for a point.
 */
export interface PointOf {
  (channel: string): string;
  (channel: string, names: Readonly<Record<string, string>>): string | undefined;
}

/** A payload kind is one file here and one line in index.ts. */
export interface PayloadKind<C extends { readonly kind: string }> {
  readonly kind: C['kind'];
  readonly configSchema: z.ZodType<C>;
  /** Names of the channels in one payload; the point template then holds `{channel}`. */
  channels?(config: C): readonly string[] | undefined;
  /** Further names that each payload brings for the point template, such as tags. */
  names?(config: C): readonly string[];
  createDecoder(config: C, pointOf: PointOf): PayloadDecoder;
}

export const NO_READINGS: readonly Reading[] = [];
export const NO_BLOCKS: readonly SampleBlock[] = [];
