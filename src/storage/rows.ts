import type { GatewayEvent } from '../events/event.js';
import type { ConsumedMark } from '../events/once.js';
import type { Quality } from '../signals/quality.js';
import type { Reading } from '../signals/reading.js';
import type { SampleBlock } from '../signals/sample-block.js';
import type { OutboxDraft } from './outbox.js';

/** Features of one window. */
export interface FeatureRow {
  readonly point: string;
  /** Start of the window, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  readonly durationMs: number;
  readonly features: Readonly<Record<string, number>>;
}

/** Many readings of one point, column by column; the arrays are equally long. See `readingColumns` in chunks/. */
export interface ReadingColumns {
  readonly point: string;
  readonly unit: string;
  /** Integer microseconds since the Unix epoch. */
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
  /** Quality with its reason, `qualityCode`; 0 is good. */
  readonly codes: Uint8Array;
}

export interface ScoreRow {
  readonly point: string;
  readonly timeMs: number;
  readonly model: string;
  readonly version: string;
  readonly score: number;
  readonly threshold: number;
  readonly anomalous: boolean;
  /** Why the baseline speaks in place of a model. */
  readonly fallback?: string;
  /** Operating state of the machine, where it has more than one. */
  readonly state?: string;
  readonly correlationId: string;
}

/** The state of one alarm at one point; the document is the alarms' own. */
export interface AlarmStateRow {
  readonly alarm: string;
  readonly point: string;
  readonly document: unknown;
}

/** A waveform, and why it is stored. Its features are those of its point whose window lies in it. */
export interface BlockRow extends SampleBlock {
  /** `anomaly`, `schedule`, `request`; missing where the sender's blocks are stored as they come. */
  readonly trigger?: string;
  /** The event that it belongs to. */
  readonly eventId?: string;
}

/** What is written in one commit, whole or not at all. */
export interface WriteBatch {
  readonly readings?: readonly Reading[];
  /** The same as `readings`, for many: costs the main thread next to nothing. */
  readonly readingColumns?: readonly ReadingColumns[];
  readonly blocks?: readonly BlockRow[];
  readonly features?: readonly FeatureRow[];
  readonly scores?: readonly ScoreRow[];
  readonly events?: readonly GatewayEvent[];
  readonly alarmStates?: readonly AlarmStateRow[];
  readonly outbox?: readonly OutboxDraft[];
  /** Marks of events whose effects are in this batch. */
  readonly consumed?: readonly ConsumedMark[];
  readonly documents?: readonly { readonly key: string; readonly document: unknown }[];
}

const QUALITIES: readonly Quality[] = ['good', 'uncertain', 'bad'];
export const qualityNumber = (quality: Quality): number => QUALITIES.indexOf(quality);
export const qualityOf = (stored: number): Quality => QUALITIES[stored & 3] ?? 'bad';

/** Beyond this (years 1684 and 2255) microseconds are no safe integers; a clock that is further off is put there. */
const MAX_US = 9e15;

export const toUs = (ms: number): number => Math.max(-MAX_US, Math.min(MAX_US, Math.round(ms * 1000)));
export const toMs = (us: number): number => us / 1000;
