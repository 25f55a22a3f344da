import type { ModelInputs } from './manifest-inputs.js';
import { explainedBy, fedWidthOf } from './manifest-inputs.js';
import type { ModelOutput } from './manifest-output.js';

/** What one output tensor holds: rows x columns, row by row. */
export interface OutputTable {
  readonly values: Float32Array;
  readonly columns: number;
}

type Classes = Extract<ModelOutput, { kind: 'classes' }>;

/** Probabilities in the order of the labels, rows x labels. */
export function probabilitiesOf(
  output: Classes,
  { values, columns }: OutputTable,
  rows: number,
): Float32Array {
  const count = output.labels.length;
  const out = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    if (columns === 1) {
      const given = values[at]!;
      const second = output.activation === 'none' ? given : 1 / (1 + Math.exp(-given));
      out[row * 2] = 1 - second;
      out[row * 2 + 1] = second;
    } else if (output.activation === 'softmax') softmax(values, at, count, out, row * count);
    else if (output.activation === 'sigmoid') {
      // Two logits, one against the other.
      const second = 1 / (1 + Math.exp(values[at]! - values[at + 1]!));
      out[row * 2] = 1 - second;
      out[row * 2 + 1] = second;
    } else out.set(values.subarray(at, at + count), row * count);
  }
  return out;
}

function softmax(logits: Float32Array, at: number, count: number, out: Float32Array, to: number): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) largest = Math.max(largest, logits[at + i]!);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp(logits[at + i]! - largest);
  for (let i = 0; i < count; i++) out[to + i] = Math.exp(logits[at + i]! - largest) / sum;
}

/** Mean square of the error, one value per row. */
export function meanSquareError(expected: Float32Array, rebuilt: Float32Array, rows: number): Float32Array {
  const width = expected.length / rows;
  return Float32Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i++) sum += (expected[i]! - rebuilt[i]!) ** 2;
    return sum / width;
  });
}

/** The share of each feature (or mel band) in the mean square of the error: rows x `explainedBy`, summing to the score. */
export function errorShares(
  inputs: ModelInputs,
  expected: Float32Array,
  rebuilt: Float32Array,
  rows: number,
): Float32Array {
  const width = fedWidthOf(inputs);
  const columns = explainedBy(inputs).length;
  const run = inputs.kind === 'spectrogram' && inputs.layout === 'mels-frames' ? width / columns : 1;
  const shares = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      shares[row * columns + (Math.floor(i / run) % columns)]! += (expected[at]! - rebuilt[at]!) ** 2 / width;
    }
  return shares;
}
