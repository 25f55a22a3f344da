import { z } from 'zod';
import { type Deframer, type FramingKind, noFaults } from './framing.js';

const configSchema = z.strictObject({
  kind: z
    .literal('fixed')
    .describe('Every so many bytes are a frame: raw samples without marks, from the first byte on'),
  bytes: z.number().int().min(1).max(1_048_576).describe('Length of a frame'),
});

type FixedConfig = z.infer<typeof configSchema>;

/** Cuts a stream of raw samples. It has no marks to find the way back by: a byte that is lost shifts all later ones. */
class FixedDeframer implements Deframer {
  readonly faults = noFaults();
  readonly garbageBytes = 0;
  readonly #frameBytes: number;
  #pending: Buffer = Buffer.alloc(0);

  constructor({ bytes }: FixedConfig) {
    this.#frameBytes = bytes;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Buffer): Buffer[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    for (; at + this.#frameBytes <= bytes.length; at += this.#frameBytes) {
      frames.push(Buffer.from(bytes.subarray(at, at + this.#frameBytes)));
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    return frames;
  }
}

export const fixedFraming = {
  kind: 'fixed' as const,
  configSchema,
  createDeframer: (config: FixedConfig): Deframer => new FixedDeframer(config),
} satisfies FramingKind<FixedConfig>;
