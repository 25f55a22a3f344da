import type { FeatureVector } from '../../features/spec.js';
import { type FaultRecord, type HealthyRecord, scaledBy } from './case-record.js';

/** A known case that looks like what is seen now. */
export interface NearCase {
  /** `normal`, or the fault. */
  readonly label: string;
  readonly point: string;
  /** ISO 8601. */
  readonly time: string;
  /** Root mean square of the differences, in healthy standard deviations of each machine (compressed by asinh). */
  readonly distance: number;
}

/** The nearest healthy window of the point, and the nearest faulty case of its kind; undefined where there is none. */
export interface NearestCases {
  readonly healthy: NearCase | undefined;
  readonly faulty: NearCase | undefined;
}

/** What is known of an anomaly beside its score. */
export interface KnownFault extends NearestCases {
  /** The most probable fault by the labelled cases; missing where too few were labelled. */
  readonly classification?: {
    readonly label: string;
    readonly probability: number;
    readonly probabilities: Readonly<Record<string, number>>;
    readonly model: string;
    /** What the cases would have called it, and the fault that physics names instead, as at none of those cases. */
    readonly contradicted?: { readonly label: string; readonly diagnosis: string };
  };
}

/**
 * Compares by how far each machine is from its own healthy state, so that a case of another machine of the class counts.
 * @param healthyOf what is healthy at a point, where it was learned
 */
export function nearestCases(
  point: string,
  features: FeatureVector,
  cases: readonly FaultRecord[],
  healthyOf: (point: string) => HealthyRecord | undefined,
): NearestCases {
  const own = healthyOf(point);
  if (own === undefined) return { healthy: undefined, faulty: undefined };
  const here = (wanted: readonly string[]) => compressed(scaledBy(own.scaler, features, wanted));
  const near = (
    label: string,
    of: { readonly point: string; readonly timeMs: number; readonly features: FeatureVector },
  ): NearCase[] => {
    const there = healthyOf(of.point);
    if (there === undefined) return [];
    const wanted = own.scaler.features.filter(
      (name) => there.scaler.features.includes(name) && Number.isFinite(of.features[name]),
    );
    const a = here(wanted);
    const b = compressed(scaledBy(there.scaler, of.features, wanted));
    if (a === undefined || b === undefined || wanted.length === 0) return [];
    const squares = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
    return [
      {
        label,
        point: of.point,
        time: new Date(of.timeMs).toISOString(),
        distance: Number(Math.sqrt(squares / wanted.length).toPrecision(4)),
      },
    ];
  };
  return {
    healthy: nearestOf(own.windows.flatMap((window) => near('normal', { ...window, point }))),
    faulty: nearestOf(cases.flatMap((one) => near(one.label, { ...one, timeMs: one.fromMs }))),
  };
}

const compressed = (z: Float64Array | undefined): Float64Array | undefined => z?.map(Math.asinh);

const nearestOf = (cases: readonly NearCase[]): NearCase | undefined =>
  cases.reduce<NearCase | undefined>(
    (nearest, one) => (nearest === undefined || one.distance < nearest.distance ? one : nearest),
    undefined,
  );
