import type { Diagnosis } from '../diagnosis/diagnosis.js';
import type { FeatureVector } from '../features/spec.js';
import type { MachineSize } from '../features/zones.js';

/** A score as the alarms see it. */
export interface ScoredPoint {
  readonly point: string;
  readonly timeMs: number;
  readonly score: number;
  readonly threshold: number;
  readonly anomalous: boolean;
  /** True while the validation does not believe the anomaly: it then raises no alarm. */
  readonly heldBack?: boolean;
  readonly diagnosis?: Diagnosis;
}

/** The features of one window. */
export interface FeaturedPoint {
  readonly point: string;
  readonly timeMs: number;
  readonly features: FeatureVector;
}

/** What the alarms know of a machine; handed in, since the machines are the pipeline's. */
export interface MachineFacts {
  readonly class: string;
  /** Where power and mounting are known: for the zones of ISO 20816-3. */
  readonly size?: MachineSize;
}
