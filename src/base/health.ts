/** Health of one part of the gateway, as `/health` shows it. */
export interface PartHealth {
  /** `storage`, `source hall-bus`, `sync mlflow`. */
  readonly part: string;
  readonly state: 'starting' | 'good' | 'degraded' | 'failed' | 'stopped';
  /** One sentence for the technician; empty while good. */
  readonly reason: string;
  /** Since when, milliseconds since the Unix epoch. */
  readonly sinceMs: number;
}

export interface HealthReport {
  readonly gatewayId: string;
  readonly site: string;
  readonly version: string;
  /** The worst of the parts: `failed` where a part that everything needs (the store) is gone. */
  readonly state: 'starting' | 'good' | 'degraded' | 'failed';
  readonly uptimeS: number;
  readonly parts: readonly PartHealth[];
}

/** A broken source or remote is no reason to restart the gateway: only the store takes everything down. */
export function overallState(parts: readonly PartHealth[], ready: boolean): HealthReport['state'] {
  if (parts.some(({ part, state }) => part === 'storage' && state === 'failed')) return 'failed';
  if (!ready) return 'starting';
  const troubled = parts.some(({ state }) => ['degraded', 'failed', 'stopped'].includes(state));
  return troubled ? 'degraded' : 'good';
}
