import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import { QuantileSketch, quantileSketchSchema } from './quantile-sketch.js';
import type { FeatureVector } from './score.js';

/** A distribution by bins: `edges` ascend, the first and the last bin are open, so there is one count more. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Distributions that drift is measured against: the manifest's `training.histograms`, or a period of the machine's own. */
export type DriftReference = Readonly<Record<string, Histogram>>;

const stateSchema = z.strictObject({
  format: z.literal('sm-edge-drift/1'),
  samples: z.number().int().nonnegative(),
  counts: z.record(z.string(), z.array(z.number().int().nonnegative()).max(65)),
  scores: quantileSketchSchema,
});

/** JSON form of a sketch: a few hundred bytes per model and point, however long the gateway is offline. */
export type DriftState = z.infer<typeof stateSchema>;

/** What one period says, in the names under which MLflow gets it. */
export interface DriftReport {
  /** Vectors in the period. */
  readonly samples: number;
  /** Population stability index by feature. Usual reading: below 0.1 none, above 0.25 a shift. */
  readonly psi: Readonly<Record<string, number>>;
  /** `drift.psi.<feature>`, `drift.samples`, `score.p50`, `score.p95`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Share that stands for an empty bin. */
const FLOOR = 1e-4;

/** Counts where a period's features and scores fall; one per model and point. */
export class DriftSketch {
  readonly #reference: DriftReference;
  readonly #counts: Map<string, number[]>;
  #scores: QuantileSketch;
  #samples: number;

  constructor(reference: DriftReference, state?: DriftState) {
    this.#reference = reference;
    this.#samples = state?.samples ?? 0;
    this.#scores = new QuantileSketch(state?.scores);
    this.#counts = new Map();
    for (const [feature, { counts }] of Object.entries(reference)) {
      const stored = state?.counts[feature];
      // Another reference has other bins: what was counted in the old ones says nothing about it.
      this.#counts.set(feature, stored?.length === counts.length ? [...stored] : counts.map(() => 0));
    }
  }

  /** Throws `DRIFT_STATE` where the document is no stored sketch. */
  static fromJSON(reference: DriftReference, document: unknown): DriftSketch {
    const parsed = stateSchema.safeParse(document);
    if (!parsed.success)
      throw new SmEdgeError('DRIFT_STATE', `not a stored drift sketch: ${parsed.error.issues[0]?.message}`, {
        hint: 'The period is counted again from now on.',
      });
    return new DriftSketch(reference, parsed.data);
  }

  toJSON(): DriftState {
    return {
      format: 'sm-edge-drift/1',
      samples: this.#samples,
      counts: Object.fromEntries(this.#counts),
      scores: this.#scores.toJSON(),
    };
  }

  get samples(): number {
    return this.#samples;
  }

  add(vector: FeatureVector, score?: number): void {
    this.#samples++;
    for (const [feature, counts] of this.#counts) {
      const value = vector[feature];
      if (value !== undefined && Number.isFinite(value))
        counts[binOf(this.#reference[feature]!.edges, value)]!++;
    }
    if (score !== undefined) this.#scores.add(score);
  }

  report(): DriftReport {
    const psi: Record<string, number> = {};
    const metrics: Record<string, number> = { 'drift.samples': this.#samples };
    for (const [feature, counts] of this.#counts) {
      const index = populationStabilityIndex(this.#reference[feature]!.counts, counts);
      if (index === undefined) continue;
      psi[feature] = index;
      metrics[`drift.psi.${feature}`] = index;
    }
    for (const [name, p] of [
      ['score.p50', 0.5],
      ['score.p95', 0.95],
    ] as const) {
      const quantile = this.#scores.quantile(p);
      if (quantile !== undefined) metrics[name] = quantile;
    }
    return { samples: this.#samples, psi, metrics };
  }

  /** Begins a new period. */
  reset(): void {
    this.#samples = 0;
    this.#scores = new QuantileSketch();
    for (const counts of this.#counts.values()) counts.fill(0);
  }
}

/** PSI = Σ (q - p) ln(q / p) over the bins' shares; undefined where either side is empty. */
export function populationStabilityIndex(
  reference: readonly number[],
  current: readonly number[],
): number | undefined {
  const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);
  const before = total(reference);
  const now = total(current);
  if (before === 0 || now === 0) return undefined;
  return reference.reduce((sum, count, i) => {
    const p = Math.max(FLOOR, count / before);
    const q = Math.max(FLOOR, (current[i] ?? 0) / now);
    return sum + (q - p) * Math.log(q / p);
  }, 0);
}

function binOf(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
