/** Mel-frequency cepstral coefficients, with the numbers of `librosa.feature.mfcc` and `librosa.feature.delta`. */

/** First `count` coefficients of the orthonormal DCT-II of each frame of `logMel` (dB); frame after frame. */
export function mfcc(logMel: ArrayLike<number>, bands: number, count: number): Float64Array {
  const frames = logMel.length / bands;
  const basis = Float64Array.from({ length: count * bands }, (_, at) => {
    const k = Math.floor(at / bands);
    const scale = Math.sqrt((k === 0 ? 1 : 2) / bands);
    return scale * Math.cos((Math.PI * k * (2 * (at % bands) + 1)) / (2 * bands));
  });
  const out = new Float64Array(frames * count);
  for (let frame = 0; frame < frames; frame++) {
    for (let k = 0; k < count; k++) {
      let sum = 0;
      for (let m = 0; m < bands; m++) sum += basis[k * bands + m]! * logMel[frame * bands + m]!;
      out[frame * count + k] = sum;
    }
  }
  return out;
}

const HALF_WIDTH = 4;

/** Slope over nine frames (Savitzky and Golay, first order); the edges take the slope of the first and last nine. */
export function deltas(coefficients: Float64Array, count: number): Float64Array {
  const frames = coefficients.length / count;
  const out = new Float64Array(coefficients.length);
  if (frames < 2 * HALF_WIDTH + 1) return out;
  let weight = 0;
  for (let n = 1; n <= HALF_WIDTH; n++) weight += 2 * n * n;
  for (let frame = 0; frame < frames; frame++) {
    const centre = Math.min(Math.max(frame, HALF_WIDTH), frames - 1 - HALF_WIDTH);
    for (let k = 0; k < count; k++) {
      let sum = 0;
      for (let n = 1; n <= HALF_WIDTH; n++)
        sum += n * (coefficients[(centre + n) * count + k]! - coefficients[(centre - n) * count + k]!);
      out[frame * count + k] = sum / weight;
    }
  }
  return out;
}
