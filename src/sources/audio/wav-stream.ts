import { SmEdgeError } from '../../base/errors.js';
import type { SampleEncoding } from '../payloads/sample-encoding.js';

/** What the heading of a stream says of the samples behind it. */
export interface WavFormat {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly encoding: SampleEncoding;
}

/** Headings are 44 to 100 bytes; behind so many without samples there will be none. */
const MAX_HEADING_BYTES = 4_096;
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

const ENCODINGS: Readonly<Record<string, SampleEncoding>> = {
  [`${PCM}/16`]: 'int16le',
  [`${PCM}/24`]: 'int24le',
  [`${PCM}/32`]: 'int32le',
  [`${FLOAT}/32`]: 'float32le',
  [`${FLOAT}/64`]: 'float64le',
};

/** A WAV stream of unknown length: heading first, then samples without end (the sizes in the heading mean nothing). */
export class WavStream {
  #pending: Buffer = Buffer.alloc(0);
  #format: WavFormat | undefined;

  get format(): WavFormat | undefined {
    return this.#format;
  }

  /** The bytes of samples in a chunk. @throws SmEdgeError `WAV_FORMAT` where this is no WAV stream */
  push(chunk: Buffer): Buffer {
    if (this.#format !== undefined) return chunk;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const rest = this.#readHeading(this.#pending);
    if (rest !== undefined) this.#pending = Buffer.alloc(0);
    else if (this.#pending.length > MAX_HEADING_BYTES) throw noWav('no samples in its first bytes');
    return rest ?? Buffer.alloc(0);
  }

  /** What stands behind the heading, once that is whole. */
  #readHeading(bytes: Buffer): Buffer | undefined {
    if (bytes.length < 12) return undefined;
    if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE')
      throw noWav('it does not start as a RIFF/WAVE stream');
    let format: WavFormat | undefined;
    for (let at = 12; at + 8 <= bytes.length; ) {
      const chunk = bytes.toString('latin1', at, at + 4);
      const size = bytes.readUInt32LE(at + 4);
      if (chunk === 'data') {
        if (format === undefined) throw noWav('its samples come before its format');
        this.#format = format;
        return bytes.subarray(at + 8);
      }
      if (at + 8 + size > bytes.length) return undefined;
      if (chunk === 'fmt ') format = parseFormat(bytes.subarray(at + 8, at + 8 + size));
      at += 8 + size + (size & 1);
    }
    return undefined;
  }
}

function parseFormat(bytes: Buffer): WavFormat {
  if (bytes.length < 16) throw noWav('its format is cut');
  const tag = bytes.readUInt16LE(0);
  const code = tag === EXTENSIBLE && bytes.length >= 26 ? bytes.readUInt16LE(24) : tag;
  const bits = bytes.readUInt16LE(14);
  const encoding = ENCODINGS[`${code}/${bits}`];
  const channels = bytes.readUInt16LE(2);
  const sampleRateHz = bytes.readUInt32LE(4);
  if (encoding === undefined || channels === 0 || sampleRateHz === 0)
    throw noWav(`${channels} channels of ${bits}-bit samples of code ${code}`);
  return { sampleRateHz, channels, encoding };
}

const noWav = (what: string) =>
  new SmEdgeError('WAV_FORMAT', `the recorder gives no WAV stream that can be used: ${what}`, {
    hint: 'is `program` arecord, and `format` one that the device has?',
  });
