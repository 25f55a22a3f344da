import { createHash } from 'node:crypto';
import type { FeatureVector } from '../score.js';

const HISTOGRAM_BINS = 10;

/** Six digits: more than float32 needs to agree within the tolerance. */
export const significant = (value: number): number => Number(value.toPrecision(6));

/** Bins that hold a tenth of the training data each; fewer where values repeat. */
export function histogramOf(
  rows: readonly FeatureVector[],
  feature: string,
): { edges: number[]; counts: number[] } {
  const values = rows.map((row) => row[feature]!).sort((a, b) => a - b);
  const tenths = Array.from({ length: HISTOGRAM_BINS - 1 }, (_, i) =>
    significant(values[Math.floor(((i + 1) * values.length) / HISTOGRAM_BINS)]!),
  );
  const edges = [...new Set(tenths)];
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const value of values) counts[edges.filter((edge) => edge <= value).length]!++;
  return { edges, counts };
}

export const fileEntry = (model: Uint8Array) => ({
  name: 'model.onnx' as const,
  sizeBytes: model.length,
  sha256: createHash('sha256').update(model).digest('hex'),
});
