import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { QuantileSketch, quantileSketchSchema } from './quantile-sketch.js';
import type { FeatureVector } from './score.js';

/** A distribution by bins: `edges` ascend, the first and the last bin are open, so there is one count more. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Distributions that drift is measured against: the manifest's `training.histograms`, or a period of the machine's own. */
export type DriftReference = Readonly<Record<string, Histogram>>;

const countsSchema = () => z.record(z.string(), z.array(z.number().int().nonnegative()).max(65));

const stateSchema = z.strictObject({
  format: z.literal('sm-edge-drift/1'),
  samples: z.number().int().nonnegative(),
  counts: countsSchema(),
  /** By operating state. */
  states: z.record(z.string(), countsSchema()).exactOptional(),
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

/** Of each operating state what is usual there. */
export type DriftStates = Readonly<Record<string, DriftReference>>;

/** A sketch for a model, against what it was trained on. */
export const driftSketchOf = ({ training }: Pick<ModelManifest, 'training'>): DriftSketch =>
  new DriftSketch(
    training.histograms,
    undefined,
    training.states &&
      Object.fromEntries(Object.entries(training.states).map(([state, of]) => [state, of.histograms])),
  );

/**
 * Counts where a period's features and scores fall; one per model and point. Where the operating states of the reference
 * are known each vector is compared with its own: a week at half load is a change of duty, and no drift.
 */
export class DriftSketch {
  readonly #overall: Counts;
  readonly #states: ReadonlyMap<string, Counts> | undefined;
  #scores: QuantileSketch;
  #samples: number;

  constructor(reference: DriftReference, state?: DriftState, states?: DriftStates) {
    this.#samples = state?.samples ?? 0;
    this.#scores = new QuantileSketch(state?.scores);
    this.#overall = new Counts(reference, state?.counts);
    this.#states =
      states &&
      new Map(Object.entries(states).map(([name, of]) => [name, new Counts(of, state?.states?.[name])]));
  }

  /** Throws `DRIFT_STATE` where the document is no stored sketch. */
  static fromJSON(reference: DriftReference, document: unknown, states?: DriftStates): DriftSketch {
    const parsed = stateSchema.safeParse(document);
    if (!parsed.success)
      throw new SmEdgeError('DRIFT_STATE', `not a stored drift sketch: ${parsed.error.issues[0]?.message}`, {
        hint: 'The period is counted again from now on.',
      });
    return new DriftSketch(reference, parsed.data, states);
  }

  toJSON(): DriftState {
    return {
      format: 'sm-edge-drift/1',
      samples: this.#samples,
      counts: this.#overall.toJSON(),
      ...(this.#states === undefined
        ? {}
        : { states: Object.fromEntries([...this.#states].map(([name, of]) => [name, of.toJSON()])) }),
      scores: this.#scores.toJSON(),
    };
  }

  get samples(): number {
    return this.#samples;
  }

  /** @param state operating state; undefined where the machine has but one. One that the reference does not know counts for nothing. */
  add(vector: FeatureVector, score?: number, state?: string): void {
    this.#samples++;
    const counts =
      state === undefined || this.#states === undefined ? this.#overall : this.#states.get(state);
    counts?.add(vector);
    if (score !== undefined) this.#scores.add(score);
  }

  report(): DriftReport {
    const psi = meanOf([this.#overall, ...(this.#states?.values() ?? [])]);
    const metrics: Record<string, number> = { 'drift.samples': this.#samples };
    for (const [feature, index] of Object.entries(psi)) metrics[`drift.psi.${feature}`] = index;
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
    this.#overall.clear();
    for (const counts of this.#states?.values() ?? []) counts.clear();
  }
}

/** The mean of the states by the time that the machine was in them. */
function meanOf(all: readonly Counts[]): Record<string, number> {
  const sums = new Map<string, { psi: number; vectors: number }>();
  for (const counts of all)
    for (const [feature, psi, vectors] of counts.psi()) {
      const sum = sums.get(feature) ?? { psi: 0, vectors: 0 };
      sums.set(feature, { psi: sum.psi + vectors * psi, vectors: sum.vectors + vectors });
    }
  return Object.fromEntries([...sums].map(([feature, { psi, vectors }]) => [feature, psi / vectors]));
}

/** Where the values of one operating state fall. */
class Counts {
  readonly #reference: DriftReference;
  readonly #counts: ReadonlyMap<string, number[]>;

  constructor(reference: DriftReference, stored: Readonly<Record<string, readonly number[]>> = {}) {
    this.#reference = reference;
    this.#counts = new Map(
      Object.entries(reference).map(([feature, { counts }]) => {
        const known = stored[feature];
        // Another reference has other bins: what was counted in the old ones says nothing about it.
        return [feature, known?.length === counts.length ? [...known] : counts.map(() => 0)];
      }),
    );
  }

  toJSON(): Record<string, number[]> {
    return Object.fromEntries(this.#counts);
  }

  add(vector: FeatureVector): void {
    for (const [feature, counts] of this.#counts) {
      const value = vector[feature];
      if (value !== undefined && Number.isFinite(value))
        counts[binOf(this.#reference[feature]!.edges, value)]!++;
    }
  }

  /** Index and number of values of each feature that has any. */
  *psi(): Generator<[feature: string, psi: number, values: number]> {
    for (const [feature, counts] of this.#counts) {
      const index = populationStabilityIndex(this.#reference[feature]!.counts, counts);
      if (index !== undefined) yield [feature, index, counts.reduce((sum, count) => sum + count, 0)];
    }
  }

  clear(): void {
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
