import type { FeatureVector } from '../../features/spec.js';
import type { OperatingState } from '../../scoring/states/state.js';
import type { PointContext } from '../machines/machines.js';

/** A window with its features, and what is believed of it. */
export interface AnalysedWindow {
  readonly context: PointContext;
  readonly timeMs: number;
  readonly durationMs: number;
  readonly features: FeatureVector;
  /** Whether an anomaly is confirmed. */
  readonly confirmed: boolean;
  /** Operating state of the machine; undefined where it has but one. */
  readonly state?: OperatingState | undefined;
}
