/** Raw sample encodings, by the names that configs use. */
export const SAMPLE_ENCODINGS = [
  'uint8',
  'int8',
  'uint16le',
  'uint16be',
  'int16le',
  'int16be',
  'int24le',
  'int24be',
  'int32le',
  'int32be',
  'float32le',
  'float32be',
  'float64le',
  'float64be',
] as const;

export type SampleEncoding = (typeof SAMPLE_ENCODINGS)[number];

/** Bytes of one sample. */
export const bytesPerSample = (encoding: SampleEncoding): number => Number(/\d+/.exec(encoding)![0]) / 8;

/**
 * The raw value of digital full scale: 2^(bits-1) for signed integers, 2^bits for unsigned ones (whose zero is no
 * signal), 1 for floating point.
 */
export function rawFullScale(encoding: SampleEncoding): number {
  if (encoding.startsWith('float')) return 1;
  const bits = bytesPerSample(encoding) * 8;
  return 2 ** (encoding.startsWith('u') ? bits : bits - 1);
}

type ReadRaw = (view: DataView, position: number) => number;
type Fill = (out: Float32Array, view: DataView, run: SampleRun, gain: number, bias: number) => void;

/** A loop of its own for each encoding, so that the reader is compiled into it. */
const loop =
  (read: ReadRaw): Fill =>
  (out, view, run, gain, bias) => {
    const { stride, count } = run;
    for (let i = 0, at = run.offset; i < count; i++, at += stride) out[i] = read(view, at) * gain + bias;
  };

const FILL: Readonly<Record<SampleEncoding, Fill>> = {
  uint8: loop((view, at) => view.getUint8(at)),
  int8: loop((view, at) => view.getInt8(at)),
  uint16le: loop((view, at) => view.getUint16(at, true)),
  uint16be: loop((view, at) => view.getUint16(at, false)),
  int16le: loop((view, at) => view.getInt16(at, true)),
  int16be: loop((view, at) => view.getInt16(at, false)),
  // Two reads beside each other: the top byte signed, the lower 16 bits unsigned.
  int24le: loop((view, at) => view.getInt8(at + 2) * 65_536 + view.getUint16(at, true)),
  int24be: loop((view, at) => view.getInt8(at) * 65_536 + view.getUint16(at + 1, false)),
  int32le: loop((view, at) => view.getInt32(at, true)),
  int32be: loop((view, at) => view.getInt32(at, false)),
  float32le: loop((view, at) => view.getFloat32(at, true)),
  float32be: loop((view, at) => view.getFloat32(at, false)),
  float64le: loop((view, at) => view.getFloat64(at, true)),
  float64be: loop((view, at) => view.getFloat64(at, false)),
};

const LITTLE_ENDIAN_MACHINE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export interface SampleRun {
  /** Bytes that hold the samples. */
  readonly bytes: Uint8Array;
  /** Position of the first sample, bytes. */
  readonly offset: number;
  /** From one sample to the next, bytes. */
  readonly stride: number;
  readonly count: number;
}

/**
 * Reads a run of samples as value = raw × gain + bias, as float32.
 * `finite` is false where at least one is NaN or infinite.
 */
export function readSamples(
  run: SampleRun,
  encoding: SampleEncoding,
  gain: number,
  bias: number,
): { samples: Float32Array; finite: boolean } {
  const { bytes, offset, stride, count } = run;
  const samples = new Float32Array(count);
  if (encoding === 'float32le' && LITTLE_ENDIAN_MACHINE && stride === 4 && gain === 1 && bias === 0) {
    new Uint8Array(samples.buffer).set(bytes.subarray(offset, offset + count * 4));
  } else {
    FILL[encoding](samples, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), run, gain, bias);
  }
  return { samples, finite: allFinite(samples) };
}

/** A sum of float32 as float64 cannot overflow: it is finite where all of them are. Four sums, so that none waits for itself. */
function allFinite(samples: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  const end = samples.length - (samples.length % 4);
  for (let i = 0; i < end; i += 4) {
    a += samples[i]!;
    b += samples[i + 1]!;
    c += samples[i + 2]!;
    d += samples[i + 3]!;
  }
  for (let i = end; i < samples.length; i++) a += samples[i]!;
  return Number.isFinite(a + b + c + d);
}
