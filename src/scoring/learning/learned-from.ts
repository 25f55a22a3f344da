import type { FeatureVector } from '../score.js';
import { fileEntry, histogramOf, significant } from '../training/manifest-parts.js';

/** What the rows were made of, and what they are called. */
export interface LearnedFrom {
  readonly name: string;
  readonly version: string;
  readonly quantity: string;
  readonly unit?: string;
  readonly sampleRateHz?: number;
  /** Samples of the blocks that the features were made of. */
  readonly blockSamples?: number;
  /** What was learned from, for people. */
  readonly data: string;
  readonly terms: string;
  readonly parentVersion?: string;
  /** ISO 8601. */
  readonly createdAt?: string;
}

/** Sample rates of clocks differ by less. */
const RATE_TOLERANCE = 0.02;

/** What every manifest of a model that was learned here says alike. @param rows that it learned from */
export function manifestFrom(
  from: LearnedFrom,
  features: readonly string[],
  rows: readonly FeatureVector[],
  model: Uint8Array,
) {
  const { name, version, quantity, unit, sampleRateHz, blockSamples, data, terms } = from;
  return {
    format: 'sm-edge-model/1',
    name,
    version,
    signal: {
      quantities: [quantity],
      ...(unit === undefined ? {} : { unit }),
      ...(sampleRateHz === undefined ? {} : { sampleRateHz: about(sampleRateHz) }),
      ...(blockSamples === undefined ? {} : { window: { minSamples: blockSamples } }),
    },
    inputs: { kind: 'features', tensor: 'features', features: [...features] },
    scaler: { kind: 'in-graph' },
    training: {
      data,
      terms,
      samples: rows.length,
      histograms: Object.fromEntries(features.map((feature) => [feature, histogramOf(rows, feature)])),
    },
    file: fileEntry(model),
    licence: 'Apache-2.0',
    lineage: {
      ...(from.parentVersion === undefined ? {} : { parentVersion: from.parentVersion }),
      ...(from.createdAt === undefined ? {} : { createdAt: from.createdAt }),
    },
  } as const;
}

const about = (sampleRateHz: number) => ({
  min: significant(sampleRateHz * (1 - RATE_TOLERANCE)),
  max: significant(sampleRateHz * (1 + RATE_TOLERANCE)),
});
