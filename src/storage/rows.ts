import type { GatewayEvent } from '../events/event.js';
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
  readonly correlationId: string;
}

/** The state of one alarm at one point; the document is the alarms' own. */
export interface AlarmStateRow {
  readonly alarm: string;
  readonly point: string;
  readonly document: unknown;
}

/** What is written in one commit, whole or not at all. */
export interface WriteBatch {
  readonly readings?: readonly Reading[];
  readonly blocks?: readonly SampleBlock[];
  readonly features?: readonly FeatureRow[];
  readonly scores?: readonly ScoreRow[];
  readonly events?: readonly GatewayEvent[];
  readonly alarmStates?: readonly AlarmStateRow[];
  readonly outbox?: readonly OutboxDraft[];
  readonly documents?: readonly { readonly key: string; readonly document: unknown }[];
}

const QUALITIES: readonly Quality[] = ['good', 'uncertain', 'bad'];
/** Added to the quality of a reading that has no value. */
export const NO_VALUE = 4;

export const qualityNumber = (quality: Quality): number => QUALITIES.indexOf(quality);
export const qualityOf = (stored: number): Quality => QUALITIES[stored & 3] ?? 'bad';

export const toUs = (ms: number): number => Math.round(ms * 1000);
export const toMs = (us: number): number => us / 1000;
