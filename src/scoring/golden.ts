import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { modelKey } from './model-key.js';

/** The inputs of the golden vectors as one matrix, row by row. */
export function goldenMatrix({ golden, inputs }: ModelManifest): { rows: number; values: Float32Array } {
  const width = inputs.features.length;
  const values = new Float32Array(golden.vectors.length * width);
  golden.vectors.forEach(({ input }, row) => {
    values.set(input, row * width);
  });
  return { rows: golden.vectors.length, values };
}

/** Throws `MODEL_GOLDEN` where this gateway's outputs are not those that the trainer wrote down. */
export function checkGolden(manifest: ModelManifest, outputs: ArrayLike<number>): void {
  const { tolerance, vectors } = manifest.golden;
  vectors.forEach(({ output: expected }, row) => {
    const actual = outputs[row] ?? Number.NaN;
    // Written so that NaN fails.
    if (Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))) return;
    throw new SmEdgeError(
      'MODEL_GOLDEN',
      `${modelKey(manifest)}: golden vector ${row} gives ${actual} here, its trainer got ${expected} (tolerance ${tolerance})`,
      {
        hint: 'The manifest belongs to another model, or this processor computes differently: compare with Python onnxruntime.',
        details: { row, actual, expected },
      },
    );
  });
}
