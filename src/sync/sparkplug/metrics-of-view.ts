import { PROGRAM_VERSION } from '../../base/version.js';
import type { Quality } from '../../signals/quality.js';
import { DATA_TYPE } from '../../sources/sparkplug/metric.js';

/** A point as it is shown live. */
export interface PublishedPoint {
  readonly point: string;
  readonly unit: string;
  readonly value: number | undefined;
  /** Milliseconds since the Unix epoch; not finite where nothing has come yet. */
  readonly timeMs: number;
  readonly score: number | undefined;
  readonly threshold: number | undefined;
  readonly diagnosis: string | undefined;
  readonly quality: Quality;
}

/** What the gateway knows at one moment. */
export interface NodeView {
  readonly timeMs: number;
  readonly machines: readonly {
    readonly id: string;
    readonly health: number | undefined;
    readonly points: readonly PublishedPoint[];
  }[];
  readonly alarms: readonly { readonly point: string; readonly state: string }[];
  readonly sources: readonly { readonly state: string }[];
}

/** Codes of the property `Quality`, as hosts read it (OPC: good 192, stale 500, bad 0). */
export const QUALITY_CODE = { good: 192, uncertain: 500, bad: 0 } as const satisfies Record<Quality, number>;

/** One metric with its value now; null where there is none. */
export interface NodeMetric {
  /** Undefined for a metric of the node itself. */
  readonly device: string | undefined;
  readonly name: string;
  readonly datatype: number;
  readonly value: number | string | null;
  readonly timestampMs: number;
  readonly quality: number;
  readonly unit?: string;
}

const isActive = ({ state }: { readonly state: string }): boolean =>
  state === 'unacknowledged' || state === 'acknowledged';

/**
 * The metrics of a view. A name is either a value or a folder, never both: tag trees of hosts cannot show a tag with
 * tags below it. So `pump-1.bearing-de.acceleration` is of device `pump-1` and becomes
 * `Measurement/bearing-de/acceleration`, with `Score/…`, `Threshold/…` and `Diagnosis/…` beside it.
 */
export function metricsOfView(
  view: NodeView,
  isWanted: (point: string) => boolean,
  site: string,
): NodeMetric[] {
  const metrics: NodeMetric[] = [];
  const active = view.alarms.filter(isActive);
  const add = (
    device: string | undefined,
    name: string,
    datatype: number,
    value: number | string | undefined,
    more: Partial<NodeMetric> = {},
  ) => {
    if (value === undefined) return;
    const whole = { device, name, datatype, value, timestampMs: view.timeMs, quality: QUALITY_CODE.good };
    metrics.push({ ...whole, ...more });
  };
  add(undefined, 'Properties/Site', DATA_TYPE.String, site);
  add(undefined, 'Properties/Program Version', DATA_TYPE.String, PROGRAM_VERSION);
  add(undefined, 'Active Alarms', DATA_TYPE.Int32, active.length);
  const troubled = view.sources.filter(({ state }) => state !== 'good').length;
  add(undefined, 'Sources Not Good', DATA_TYPE.Int32, troubled);
  for (const { id, health, points } of view.machines) {
    const wanted = points.filter(({ point, timeMs }) => isWanted(point) && Number.isFinite(timeMs));
    if (wanted.length === 0) continue;
    add(id, 'Health', DATA_TYPE.Double, health);
    const alarms = active.filter(({ point }) => point === id || point.startsWith(`${id}.`)).length;
    add(id, 'Active Alarms', DATA_TYPE.Int32, alarms);
    for (const one of wanted) {
      const rest = one.point === id ? 'value' : one.point.slice(id.length + 1).replaceAll('.', '/');
      const timestampMs = one.timeMs;
      metrics.push({
        device: id,
        name: `Measurement/${rest}`,
        datatype: DATA_TYPE.Double,
        value: one.value === undefined || !Number.isFinite(one.value) ? null : one.value,
        timestampMs,
        quality: QUALITY_CODE[one.quality],
        unit: one.unit,
      });
      add(id, `Score/${rest}`, DATA_TYPE.Double, one.score, { timestampMs });
      add(id, `Threshold/${rest}`, DATA_TYPE.Double, one.threshold, { timestampMs });
      add(id, `Diagnosis/${rest}`, DATA_TYPE.String, one.diagnosis, { timestampMs });
    }
  }
  return metrics;
}
