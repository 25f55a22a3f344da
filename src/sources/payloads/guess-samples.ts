import { bytesPerSample, rawFullScale, readSamples, type SampleEncoding } from './sample-encoding.js';

/** Encodings that devices use for samples, the commonest first: it wins where two look alike. */
const CANDIDATES: readonly SampleEncoding[] = [
  'float32le',
  'int16le',
  'int24le',
  'int32le',
  'float64le',
  'int16be',
  'float32be',
  'int24be',
  'int32be',
  'float64be',
  'int8',
];
const MIN_SAMPLES = 32;
const MAX_LOOKED_AT = 4096;

export interface SampleGuess {
  readonly encoding: SampleEncoding;
  readonly samples: number;
  /** 0 for a smooth signal, 1 for white noise; above 1 for bytes in the wrong order. */
  readonly roughness: number;
}

/**
 * How bytes read as samples of each encoding, the smoothest first. Read in the wrong order or width, the low bytes of
 * a signal become its high ones: it then looks like noise, or leaves the range of floating point that a sensor has.
 */
export function guessSamples(bytes: Uint8Array): SampleGuess[] {
  const found: SampleGuess[] = [];
  for (const encoding of CANDIDATES) {
    const stride = bytesPerSample(encoding);
    const count = bytes.length / stride;
    if (!Number.isInteger(count) || count < MIN_SAMPLES) continue;
    const run = { bytes, offset: 0, stride, count: Math.min(count, MAX_LOOKED_AT) };
    const { samples, finite } = readSamples(run, encoding, 1 / rawFullScale(encoding), 0);
    const roughness = roughnessOf(samples);
    if (!finite || roughness === undefined) continue;
    if (encoding.startsWith('float') && !isPhysical(samples)) continue;
    found.push({ encoding, samples: count, roughness });
  }
  return found.sort((a, b) => a.roughness - b.roughness);
}

/** Variance of the differences over twice the variance: 1 - the autocorrelation at one sample. */
function roughnessOf(samples: Float32Array): number | undefined {
  let mean = 0;
  for (const sample of samples) mean += sample / samples.length;
  let variance = 0;
  let differences = 0;
  for (let i = 0; i < samples.length; i++) {
    variance += (samples[i]! - mean) ** 2;
    if (i > 0) differences += (samples[i]! - samples[i - 1]!) ** 2;
  }
  return variance > 0 ? differences / (2 * variance) : undefined;
}

/** Values of a sensor span a few decades; bytes that are no floating point numbers span them all. */
function isPhysical(samples: Float32Array): boolean {
  let odd = 0;
  for (const sample of samples) {
    const size = Math.abs(sample);
    if (sample !== 0 && (size < 1e-9 || size > 1e7)) odd++;
  }
  return odd <= samples.length * 0.01;
}
