import type { EventType } from '../events/event.js';
import type { QualityReason } from '../signals/quality.js';
import type { OutboxLane } from './outbox.js';

/** Rows as SQLite gives them; the columns are those of migrations/. */

export interface WaveformRecord {
  readonly start_us: number;
  readonly sample_rate_hz: number;
  readonly unit: string;
  readonly quality: number;
  readonly reason: QualityReason | null;
  readonly sequence: number | null;
  readonly samples: Buffer;
  readonly packing: number;
  /** Null in rows of form 3 and before, which are not packed. */
  readonly count: number | null;
  readonly trigger: string | null;
  readonly event_id: string | null;
}

export interface EventRecord {
  readonly seq: number;
  readonly id: string;
  readonly type: EventType;
  readonly version: number;
  readonly time: string;
  readonly gateway_id: string;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly payload: string;
}

export interface DeadLetterRecord {
  readonly id: number;
  readonly subscriber: string;
  readonly event: string;
  readonly error: string;
  readonly died_ms: number;
  readonly retries: number;
  readonly tried_ms: number | null;
}

export interface OutboxRecord {
  readonly id: number;
  readonly sink: string;
  readonly lane: OutboxLane;
  readonly kind: string;
  readonly key: string;
  readonly payload: Buffer;
  readonly is_json: number;
  readonly created_ms: number;
  readonly attempts: number;
  readonly next_attempt_ms: number;
  readonly last_error: string;
}

export interface OutboxStatsRecord {
  readonly sink: string;
  readonly live: number;
  readonly backlog: number;
  readonly bytes: number;
  readonly oldest: number;
}
