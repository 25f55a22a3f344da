import type { FeatureVector } from '../score.js';
import { MOST_STATES } from '../states/config.js';
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

/**
 * What every manifest of a model that was learned here says alike.
 * @param rows that it learned from
 * @param states operating state of each row, where the machine has several
 */
export function manifestFrom(
  from: LearnedFrom,
  features: readonly string[],
  rows: readonly FeatureVector[],
  model: Uint8Array,
  states?: readonly string[],
) {
  const histogramsOf = (of: readonly FeatureVector[]) =>
    Object.fromEntries(features.map((feature) => [feature, histogramOf(of, feature)]));
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
      histograms: histogramsOf(rows),
      ...(states === undefined
        ? {}
        : {
            states: Object.fromEntries(
              longestStates(states).map((state) => {
                const own = rows.filter((_, i) => states[i] === state);
                return [state, { samples: own.length, histograms: histogramsOf(own) }];
              }),
            ),
          }),
    },
    file: fileEntry(model),
    licence: 'Apache-2.0',
    lineage: {
      ...(from.parentVersion === undefined ? {} : { parentVersion: from.parentVersion }),
      ...(from.createdAt === undefined ? {} : { createdAt: from.createdAt }),
    },
  } as const;
}

/** As many as a manifest takes, those with the most rows first. */
function longestStates(states: readonly string[]): string[] {
  const rows = new Map<string, number>();
  for (const state of states) rows.set(state, (rows.get(state) ?? 0) + 1);
  return [...rows]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST_STATES)
    .map(([state]) => state);
}

const about = (sampleRateHz: number) => ({
  min: significant(sampleRateHz * (1 - RATE_TOLERANCE)),
  max: significant(sampleRateHz * (1 + RATE_TOLERANCE)),
});
