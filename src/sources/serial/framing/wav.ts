import { z } from 'zod';
import { byteSize } from '../../../base/schema.js';
import { type Deframer, type FramingKind, noFaults } from './framing.js';

const configSchema = z.strictObject({
  kind: z.literal('wav').describe('WAV files, one behind the other: a microphone that sends recordings'),
  maxBytes: byteSize({ minBytes: 64 })
    .prefault('4MiB')
    .describe('Longest file; what announces more is no file'),
});

type WavConfig = z.infer<typeof configSchema>;

const RIFF = Buffer.from('RIFF');
const WAVE = Buffer.from('WAVE');
const HEAD_BYTES = 12;

/** A file begins with RIFF, its length and WAVE; a place that turns out to be none costs one byte. */
class WavDeframer implements Deframer {
  readonly faults = noFaults();
  garbageBytes = 0;
  readonly #maxBytes: number;
  #pending: Buffer = Buffer.alloc(0);

  constructor({ maxBytes }: WavConfig) {
    this.#maxBytes = maxBytes;
  }

  get pendingBytes(): number {
    return this.#pending.length;
  }

  push(chunk: Buffer): Buffer[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const files: Buffer[] = [];
    let at = 0;
    for (;;) {
      const found = bytes.indexOf(RIFF, at);
      const start = found < 0 ? Math.max(at, bytes.length - RIFF.length + 1) : found;
      this.garbageBytes += start - at;
      at = start;
      if (found < 0 || bytes.length - at < HEAD_BYTES) break;
      const size = 8 + bytes.readUInt32LE(at + 4);
      if (!bytes.subarray(at + 8, at + HEAD_BYTES).equals(WAVE) || size > this.#maxBytes) {
        this.faults.length++;
        this.garbageBytes++;
        at++;
      } else if (at + size > bytes.length) break;
      else {
        files.push(Buffer.from(bytes.subarray(at, at + size)));
        at += size;
      }
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    return files;
  }
}

export const wavFraming = {
  kind: 'wav' as const,
  configSchema,
  createDeframer: (config: WavConfig): Deframer => new WavDeframer(config),
} satisfies FramingKind<WavConfig>;
