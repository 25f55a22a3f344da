import type { z } from 'zod';

/** Why bytes from a line became no frame. */
export type FramingFault = 'check' | 'length' | 'encoding';

/** Cuts the bytes of a line into frames. One for each connection. */
export interface Deframer {
  /** The payloads that are whole now. They stay valid: no buffer is used again. */
  push(chunk: Buffer): Buffer[];
  /** Bytes since the start that belong to no frame. */
  readonly garbageBytes: number;
  /** Bytes of which it is not known yet: a frame that is not whole. */
  readonly pendingBytes: number;
  /** Frames since the start that were not to be used, by reason. */
  readonly faults: Readonly<Record<FramingFault, number>>;
}

export const noFaults = (): Record<FramingFault, number> => ({ check: 0, length: 0, encoding: 0 });

/** A framing is one file here and one line in index.ts. */
export interface FramingKind<C extends { readonly kind: string }> {
  readonly kind: C['kind'];
  readonly configSchema: z.ZodType<C>;
  createDeframer(config: C): Deframer;
}
