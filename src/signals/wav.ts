import { readFile, stat } from 'node:fs/promises';
import { SmEdgeError } from '../base/errors.js';
import { MAX_SAMPLE_RATE_HZ } from './sample-rate.js';

/** WAV files (RIFF/WAVE): 16, 24 and 32-bit PCM, 32 and 64-bit float, also inside WAVE_FORMAT_EXTENSIBLE. */

export interface WavAudio {
  readonly sampleRateHz: number;
  readonly channels: number;
  /** Interleaved where there is more than one channel; PCM is scaled so that full scale is 1.0. */
  readonly samples: Float32Array;
}

const MAX_FILE_BYTES = 2 ** 30;
const MAX_CHANNELS = 64;
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

interface Format {
  readonly encoding: number;
  readonly channels: number;
  readonly sampleRateHz: number;
  readonly bitsPerSample: number;
}

/** Reads a WAV file. Throws `WAV_TRUNCATED`, `WAV_FORMAT` or `WAV_TOO_LARGE`; a missing file keeps its own error. */
export async function readWav(source: string | Uint8Array): Promise<WavAudio> {
  if (typeof source !== 'string') return decodeWav(source);
  const { size } = await stat(source);
  if (size > MAX_FILE_BYTES)
    throw new SmEdgeError('WAV_TOO_LARGE', `${source} has ${size} bytes, more than 1 GiB`, {
      hint: 'Cut the recording into shorter files.',
    });
  return decodeWav(await readFile(source), source);
}

export function decodeWav(bytes: Uint8Array, name = 'the WAV data'): WavAudio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || tag(view, 0) !== 'RIFF' || tag(view, 8) !== 'WAVE') {
    if (bytes.length < 12) throw truncated(name, `it has ${bytes.length} bytes`);
    throw wrongFormat(name, 'it does not start as a RIFF/WAVE file');
  }
  let format: Format | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    const chunk = tag(view, at);
    if (chunk === 'fmt ') {
      if (body + size > bytes.length) throw truncated(name, 'its format chunk is cut');
      format = parseFormat(view, body, size, name);
    } else if (chunk === 'data') {
      if (format === undefined) throw wrongFormat(name, 'its data come before its format');
      if (body + size > bytes.length)
        throw truncated(name, `${size} bytes of samples are announced, ${bytes.length - body} are there`);
      return {
        sampleRateHz: format.sampleRateHz,
        channels: format.channels,
        samples: decodeSamples(view, body, size, format, name),
      };
    }
    // Chunks are padded to an even length.
    at = body + size + (size & 1);
  }
  throw truncated(name, 'it has no data chunk');
}

function parseFormat(view: DataView, at: number, size: number, name: string): Format {
  if (size < 16) throw wrongFormat(name, `its format chunk has ${size} bytes`);
  let encoding = view.getUint16(at, true);
  const channels = view.getUint16(at + 2, true);
  const sampleRateHz = view.getUint32(at + 4, true);
  const bitsPerSample = view.getUint16(at + 14, true);
  // The first two bytes of the sub-format's GUID are the plain format code.
  if (encoding === EXTENSIBLE && size >= 26) encoding = view.getUint16(at + 24, true);
  const known =
    (encoding === PCM && [16, 24, 32].includes(bitsPerSample)) ||
    (encoding === FLOAT && [32, 64].includes(bitsPerSample));
  if (!known) throw wrongFormat(name, `it holds ${bitsPerSample}-bit samples of format code ${encoding}`);
  if (channels < 1 || channels > MAX_CHANNELS) throw wrongFormat(name, `it has ${channels} channels`);
  if (sampleRateHz < 1 || sampleRateHz > MAX_SAMPLE_RATE_HZ)
    throw wrongFormat(name, `its sample rate is ${sampleRateHz} Hz`);
  return { encoding, channels, sampleRateHz, bitsPerSample };
}

function decodeSamples(view: DataView, at: number, size: number, format: Format, name: string): Float32Array {
  const bytes = format.bitsPerSample / 8;
  if (size % (bytes * format.channels) !== 0) throw truncated(name, 'its last sample is cut');
  const samples = new Float32Array(size / bytes);
  const read = sampleReader(view, format);
  for (let i = 0; i < samples.length; i++) samples[i] = read(at + i * bytes);
  return samples;
}

function sampleReader(view: DataView, { encoding, bitsPerSample }: Format): (at: number) => number {
  if (encoding === FLOAT)
    return bitsPerSample === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  if (bitsPerSample === 16) return (at) => view.getInt16(at, true) / 2 ** 15;
  if (bitsPerSample === 24)
    return (at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23;
  return (at) => view.getInt32(at, true) / 2 ** 31;
}

export type WavEncoding = 'pcm16' | 'pcm24' | 'pcm32' | 'float32' | 'float64';

const ENCODINGS: Readonly<Record<WavEncoding, readonly [format: number, bits: number]>> = {
  pcm16: [PCM, 16],
  pcm24: [PCM, 24],
  pcm32: [PCM, 32],
  float32: [FLOAT, 32],
  float64: [FLOAT, 64],
};

/** Writes samples (scale of 1.0, interleaved) as a WAV file; PCM is rounded and limited to full scale. */
export function encodeWav(audio: WavAudio, encoding: WavEncoding = 'float32'): Buffer {
  const [format, bits] = ENCODINGS[encoding];
  const bytes = bits / 8;
  const { samples, channels, sampleRateHz } = audio;
  const size = samples.length * bytes;
  const file = Buffer.alloc(44 + size + (size & 1));
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(format, 20);
  file.writeUInt16LE(channels, 22);
  file.writeUInt32LE(sampleRateHz, 24);
  file.writeUInt32LE(sampleRateHz * channels * bytes, 28);
  file.writeUInt16LE(channels * bytes, 32);
  file.writeUInt16LE(bits, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(size, 40);
  const top = 2 ** (bits - 1);
  for (let i = 0, at = 44; i < samples.length; i++, at += bytes) {
    const value = samples[i]!;
    if (encoding === 'float32') file.writeFloatLE(value, at);
    else if (encoding === 'float64') file.writeDoubleLE(value, at);
    else file.writeIntLE(Math.max(-top, Math.min(top - 1, Math.round(value * top))) || 0, at, bytes);
  }
  return file;
}

const tag = (view: DataView, at: number): string =>
  String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));

const truncated = (name: string, what: string) =>
  new SmEdgeError('WAV_TRUNCATED', `${name} is not whole: ${what}`, {
    hint: 'Copy or record the file again; a recorder that lost power leaves such files.',
  });

const wrongFormat = (name: string, what: string) =>
  new SmEdgeError('WAV_FORMAT', `${name} cannot be read: ${what}`, {
    hint: 'Convert it to 16, 24 or 32-bit PCM or float WAV, for example with ffmpeg or sox.',
  });
