import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { rawWidthOf } from './manifest-inputs.js';
import { type ModelOutput, outputWidthOf } from './manifest-output.js';
import { modelKey } from './model-key.js';
import type { InputMatrix } from './runtime.js';

/** The inputs of the golden vectors as one matrix, row by row. */
export function goldenMatrix({ golden, inputs }: ModelManifest): InputMatrix {
  const width = rawWidthOf(inputs);
  const values = new Float32Array(golden.vectors.length * width);
  golden.vectors.forEach(({ input }, row) => {
    values.set(input, row * width);
  });
  return { rows: golden.vectors.length, values };
}

/**
 * @param outputs rows x `outputWidthOf`
 * @throws SmEdgeError `MODEL_GOLDEN` where this gateway's outputs are not those that the trainer wrote down
 */
export function checkGolden(manifest: ModelManifest, outputs: ArrayLike<number>): void {
  const { tolerance, vectors } = manifest.golden;
  const width = outputWidthOf(manifest.output);
  vectors.forEach(({ output }, row) => {
    const told = typeof output === 'number' ? [output] : output;
    told.forEach((expected, k) => {
      const actual = outputs[row * width + k] ?? Number.NaN;
      // Written so that NaN fails.
      if (Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))) return;
      const place = width === 1 ? `${row}` : `${row} (${namesOf(manifest.output)[k]})`;
      throw new SmEdgeError(
        'MODEL_GOLDEN',
        `${modelKey(manifest)}: golden vector ${place} gives ${actual} here, its trainer got ${expected} (tolerance ${tolerance})`,
        {
          hint: 'The manifest belongs to another model, or this processor computes differently: compare with Python onnxruntime.',
          details: { row, actual, expected },
        },
      );
    });
  });
}

const namesOf = (output: ModelOutput): readonly string[] =>
  output.kind === 'classes' ? output.labels : ['expected', 'lower', 'upper'];
