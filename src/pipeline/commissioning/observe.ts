import type { SmEdgeError } from '../../base/errors.js';
import type { FeatureVector } from '../../features/spec.js';
import type { MachineSize } from '../../features/zones.js';
import { zoneOf } from './healthy-table.js';
import { type CommissioningRecord, healthySum } from './record.js';

/** One analysed window of a point that is being learned. */
export interface SeenWindow {
  readonly point: string;
  readonly timeMs: number;
  readonly durationMs: number;
  readonly features: FeatureVector;
  /** Operating state; undefined where the machine stands still, runs up, or nobody knows. */
  readonly state: string | undefined;
  /** Why it does not count, in words: `an alarm stands`. */
  readonly trouble: string | undefined;
  readonly size: MachineSize | undefined;
}

/** Windows after which the level is judged. */
const LEAST_WINDOWS = 30;
/** Share of the windows in zone D above which a person has to say that the machine is healthy. */
const MOST_IN_ZONE_D = 0.05;

/** The record after a window; pure. It counts only healthy running time. */
export function observe(before: CommissioningRecord, window: SeenWindow): CommissioningRecord {
  const { timeMs, durationMs, features, state, trouble, size } = window;
  if (before.state !== 'collecting') return before;
  const record = {
    ...before,
    firstMs: Math.min(before.firstMs ?? timeMs, timeMs),
    lastMs: Math.max(before.lastMs ?? timeMs, timeMs + durationMs),
  };
  const reason = trouble ?? (state === undefined ? 'the machine stands still or runs up' : undefined);
  if (reason !== undefined || state === undefined) {
    const { leftOutMs } = record;
    const why = reason ?? '';
    return {
      ...record,
      leftOutMs: { ...leftOutMs, [why]: (leftOutMs[why] ?? 0) + durationMs },
      says: `${why}: this time does not count`,
    };
  }
  const inZoneD = record.inZoneD + (size !== undefined && zoneOf(features, size) === 4 ? 1 : 0);
  const windows = record.windows + 1;
  const next: CommissioningRecord = {
    ...record,
    windows,
    inZoneD,
    healthyMs: { ...record.healthyMs, [state]: (record.healthyMs[state] ?? 0) + durationMs },
    says: '',
  };
  if (record.vouchedBy !== undefined || windows < LEAST_WINDOWS || inZoneD <= MOST_IN_ZONE_D * windows)
    return next;
  const share = Math.round((100 * inZoneD) / windows);
  return held(
    next,
    timeMs,
    `${share} % of its windows are in zone D of ISO 20816-3: this is no healthy machine`,
  );
}

/** Waits for a person. */
export const held = (record: CommissioningRecord, nowMs: number, says: string): CommissioningRecord => ({
  ...record,
  state: 'held',
  sinceMs: nowMs,
  says: `${says}. Have it looked at; "sm-edge commission accept ${record.point}" says that it is meant to be so`,
});

/** Where the store has less healthy time than was counted (labels that came later), so much more is waited for. */
const LEAST_EXTENSION_MS = 10 * 60_000;

/** After a training that failed: what time may mend is tried again with more of it. */
export function afterError(record: CommissioningRecord, error: SmEdgeError): CommissioningRecord {
  const hint = error.hint === undefined ? '' : `. ${error.hint}`;
  if (!error.retryable && error.code !== 'TRAINING_TOO_FEW')
    return { ...record, state: 'failed', says: `${error.message}${hint}` };
  return {
    ...record,
    state: 'collecting',
    neededMs: healthySum(record) + Math.max(LEAST_EXTENSION_MS, 0.1 * record.neededMs),
    says: `${error.message}: it takes longer`,
  };
}
