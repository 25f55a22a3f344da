export type { FeatureVector } from '../features/spec.js';

/** How anomalous one block or reading is. The higher the score, the more anomalous, whatever the model's own sign. */
export interface Score {
  /** Name of the model; `baseline` for the point's own statistics. */
  readonly model: string;
  readonly version: string;
  readonly score: number;
  readonly threshold: number;
  /** `score > threshold`. */
  readonly anomalous: boolean;
  /** Why the baseline speaks in place of a model; absent where the score is what was asked for. */
  readonly fallback?: string;
}
