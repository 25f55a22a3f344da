import { z } from 'zod';
import { byteSize } from '../../../base/schema.js';
import { checkBytes, checkSchema, passes } from './check.js';
import { type Deframer, type FramingKind, noFaults } from './framing.js';

const LENGTH_TYPES = ['uint8', 'uint16le', 'uint16be', 'uint32le', 'uint32be'] as const;

const configSchema = z
  .strictObject({
    kind: z.literal('sync').describe('A sync word, perhaps a length, the payload, a check value'),
    sync: z
      .string()
      .regex(/^([0-9a-fA-F]{2}){1,16}$/, 'write the bytes in hexadecimal, such as A55A')
      .describe('The bytes that start each frame, in hexadecimal'),
    length: z
      .strictObject({
        type: z.enum(LENGTH_TYPES).describe('How the length is written'),
        offset: z
          .number()
          .int()
          .min(0)
          .max(64)
          .default(0)
          .describe('Bytes between sync word and length; they are given on in front of the payload'),
        adjust: z
          .number()
          .int()
          .min(-255)
          .max(255)
          .default(0)
          .describe('Added to the length to get the bytes between it and the check value'),
      })
      .optional()
      .describe('Where the length of the payload stands'),
    bytes: z.number().int().min(1).max(65_536).optional().describe('Length of the payload where it is fixed'),
    check: checkSchema
      .extend({
        from: z
          .enum(['frame', 'after-sync', 'payload'])
          .default('after-sync')
          .describe('Where the bytes begin that the check value covers'),
      })
      .optional()
      .describe('Check value at the end of each frame: a frame that fails it is dropped and counted'),
    maxBytes: byteSize({ minBytes: 8 })
      .prefault('64KiB')
      .describe('Longest payload; a longer one is no frame'),
  })
  .refine(({ length, bytes }) => (length === undefined) !== (bytes === undefined), {
    message: 'declare either `length` (where it stands) or `bytes` (what it is)',
  });

type SyncConfig = z.infer<typeof configSchema>;

/**
 * Finds frames by their sync word. The word may stand in the data too, so a place that turns out to be no frame costs
 * one byte only: the search goes on right behind it, and no true frame is swallowed.
 */
class SyncDeframer implements Deframer {
  readonly faults = noFaults();
  garbageBytes = 0;
  readonly #config: SyncConfig;
  readonly #sync: Buffer;
  readonly #headBytes: number;
  readonly #lengthBytes: number;
  #pending: Buffer = Buffer.alloc(0);

  constructor(config: SyncConfig) {
    this.#config = config;
    this.#sync = Buffer.from(config.sync, 'hex');
    this.#headBytes = config.length?.offset ?? 0;
    this.#lengthBytes = config.length === undefined ? 0 : Number(/\d+/.exec(config.length.type)![0]) / 8;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Buffer): Buffer[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const payloads: Buffer[] = [];
    let at = 0;
    for (;;) {
      const found = bytes.indexOf(this.#sync, at);
      if (found < 0) {
        const end = Math.max(at, bytes.length - this.#sync.length + 1);
        this.garbageBytes += end - at;
        at = end;
        break;
      }
      this.garbageBytes += found - at;
      at = found;
      const frame = this.#frameAt(bytes, at);
      if (frame === 'incomplete') break;
      if (typeof frame === 'string') {
        this.faults[frame]++;
        this.garbageBytes++;
        at++;
      } else {
        payloads.push(frame.payload);
        at = frame.end;
      }
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    return payloads;
  }

  #frameAt(
    bytes: Buffer,
    start: number,
  ): { payload: Buffer; end: number } | 'incomplete' | 'length' | 'check' {
    const { check, maxBytes } = this.#config;
    const head = start + this.#sync.length;
    const lengthAt = head + this.#headBytes;
    const body = lengthAt + this.#lengthBytes;
    if (body > bytes.length) return 'incomplete';
    const payloadBytes = this.#payloadBytes(bytes, lengthAt);
    if (payloadBytes < 0 || payloadBytes > maxBytes) return 'length';
    const end = body + payloadBytes;
    if (end + checkBytes(check) > bytes.length) return 'incomplete';
    if (check !== undefined) {
      const from = check.from === 'frame' ? start : check.from === 'payload' ? body : head;
      if (!passes(check, bytes, from, end)) return 'check';
    }
    const payload =
      this.#headBytes === 0
        ? Buffer.from(bytes.subarray(body, end))
        : Buffer.concat([bytes.subarray(head, lengthAt), bytes.subarray(body, end)]);
    return { payload, end: end + checkBytes(check) };
  }

  #payloadBytes(bytes: Buffer, at: number): number {
    const { length, bytes: fixed } = this.#config;
    if (length === undefined) return fixed!;
    const value = length.type.endsWith('be')
      ? bytes.readUIntBE(at, this.#lengthBytes)
      : bytes.readUIntLE(at, this.#lengthBytes);
    return value + length.adjust;
  }
}

export const syncFraming = {
  kind: 'sync' as const,
  configSchema,
  createDeframer: (config: SyncConfig): Deframer => new SyncDeframer(config),
} satisfies FramingKind<SyncConfig>;
