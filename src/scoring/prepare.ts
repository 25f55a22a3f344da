import type { FftLibrary } from '../features/fft.js';
import { createLogMel, type LogMel } from '../features/log-mel.js';
import type { ModelManifest } from './manifest.js';
import { fedWidthOf, type ModelInputs, rawWidthOf, type SpectrogramInputs } from './manifest-inputs.js';

/** From the numbers of the point to those that the graph gets: normalisation, image, scaler, in this order. */
export interface Preparation {
  /** @param values rows x `rawWidthOf`, @returns rows x `fedWidthOf`; the same array where there is nothing to do */
  feed(values: Float32Array, rows: number): Float32Array;
  /** From the space that the graph gets back to the one before the scaler, in place. */
  unscale(values: Float32Array): void;
  close(): void;
}

/** @param library of the features room; needed for spectrograms alone */
export function createPreparation(manifest: ModelManifest, library: FftLibrary | undefined): Preparation {
  const { inputs, scaler } = manifest;
  const normalise = normalisationOf(inputs);
  const image = inputs.kind === 'spectrogram' ? createImage(inputs, library!) : undefined;
  const scale = scaler.kind === 'affine' ? scaleOf(inputs, scaler.center, scaler.scale) : undefined;
  const rawWidth = rawWidthOf(inputs);
  const fedWidth = fedWidthOf(inputs);
  return {
    feed(values, rows) {
      if (normalise !== undefined)
        for (let row = 0; row < rows; row++) normalise(values, row * rawWidth, rawWidth);
      let fed = values;
      if (image !== undefined) {
        fed = new Float32Array(rows * fedWidth);
        for (let row = 0; row < rows; row++)
          image.compute(values.subarray(row * rawWidth, (row + 1) * rawWidth), fed, row * fedWidth);
      }
      scale?.apply(fed);
      return fed;
    },
    unscale: (values) => scale?.undo(values),
    close: () => image?.close(),
  };
}

type InPlace = (values: Float32Array, from: number, length: number) => void;

function normalisationOf(inputs: ModelInputs): InPlace | undefined {
  if (inputs.kind !== 'block' && inputs.kind !== 'spectrogram') return undefined;
  switch (inputs.normalisation) {
    case 'none':
      return undefined;
    case 'mean':
      return (values, from, length) => shiftAndScale(values, from, length, meanOf(values, from, length), 1);
    case 'standard':
      return standardise;
    case 'peak':
      return (values, from, length) => {
        let peak = 0;
        for (let i = from; i < from + length; i++) peak = Math.max(peak, Math.abs(values[i]!));
        shiftAndScale(values, from, length, 0, peak);
      };
  }
}

const standardise: InPlace = (values, from, length) => {
  const mean = meanOf(values, from, length);
  let squares = 0;
  for (let i = from; i < from + length; i++) squares += (values[i]! - mean) ** 2;
  shiftAndScale(values, from, length, mean, Math.sqrt(squares / length));
};

function meanOf(values: Float32Array, from: number, length: number): number {
  let sum = 0;
  for (let i = from; i < from + length; i++) sum += values[i]!;
  return sum / length;
}

function shiftAndScale(values: Float32Array, from: number, length: number, shift: number, by: number): void {
  for (let i = from; i < from + length; i++) values[i] = by === 0 ? 0 : (values[i]! - shift) / by;
}

function createImage(
  inputs: SpectrogramInputs,
  library: FftLibrary,
): { compute(samples: Float32Array, out: Float32Array, at: number): void; close(): void } {
  const { mel, samples, layout, level } = inputs;
  const { transformLength, hop, mels, sampleRateHz, lowHz, highHz, scale, norm, centre } = mel;
  const logMel: LogMel = createLogMel(library, samples, {
    transformLength,
    hop,
    sampleRateHz,
    count: mels,
    lowHz,
    ...(highHz === undefined ? {} : { highHz }),
    scale,
    norm,
    centre,
  });
  const { frames } = logMel;
  return {
    compute(block, out, at) {
      const image = logMel.compute(block);
      if (layout === 'frames-mels') out.set(image, at);
      else
        for (let frame = 0; frame < frames; frame++)
          for (let k = 0; k < mels; k++) out[at + k * frames + frame] = image[frame * mels + k]!;
      const length = frames * mels;
      if (level === 'removed') shiftAndScale(out, at, length, meanOf(out, at, length), 1);
      else if (level === 'standard') standardise(out, at, length);
    },
    close: () => logMel.close(),
  };
}

function scaleOf(inputs: ModelInputs, center: readonly number[], scale: readonly number[]) {
  // The bands of an image that lies the other way round are its rows.
  const run =
    inputs.kind === 'spectrogram' && inputs.layout === 'mels-frames'
      ? fedWidthOf(inputs) / inputs.mel.mels
      : 1;
  const width = center.length;
  const each = (values: Float32Array, change: (value: number, column: number) => number) => {
    for (let i = 0; i < values.length; i++) values[i] = change(values[i]!, Math.floor(i / run) % width);
  };
  return {
    apply: (values: Float32Array) => each(values, (value, j) => (value - center[j]!) / scale[j]!),
    undo: (values: Float32Array) => each(values, (value, j) => value * scale[j]! + center[j]!),
  };
}
