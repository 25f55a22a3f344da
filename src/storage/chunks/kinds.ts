import type { Quality, QualityReason } from '../../signals/quality.js';
import { qualityNumber, qualityOf } from '../rows.js';

/** What a series holds. Stored as text: never rename one. */
export type SeriesKind = 'readings' | 'features' | 'scores';

export const SERIES_KINDS: readonly SeriesKind[] = ['readings', 'features', 'scores'];

/** Columns of a series besides the time. */
export interface Shape {
  readonly doubles: number;
  readonly codes: number;
  readonly texts: number;
  /** Of two rows of one time the later one stays. Otherwise both stay, unless they are equal bit for bit. */
  readonly replaces: boolean;
}

/**
 * - readings: value; quality with its reason. The detail of the series is the unit.
 * - features: duration in microseconds, then a value for each name. The detail is the JSON list of names.
 * - scores: score, threshold; anomalous; fallback, correlation id. The detail is the JSON list of
 *   model, version and, where the machine has several, operating state.
 */
export function shapeOf(kind: SeriesKind, detail: string): Shape {
  if (kind === 'readings') return { doubles: 1, codes: 1, texts: 0, replaces: false };
  if (kind === 'scores') return { doubles: 2, codes: 1, texts: 2, replaces: true };
  return { doubles: 1 + (JSON.parse(detail) as string[]).length, codes: 0, texts: 0, replaces: true };
}

/** Rows of one chunk, so that it takes some kilobytes: to read one value is to read one chunk. */
export function rowsOfChunk({ doubles, texts }: Shape): number {
  return Math.max(64, Math.min(4096, Math.floor(16_384 / (doubles + 3 * texts + 1))));
}

/** Bytes in memory of one row, about. */
export const rowBytes = ({ doubles, codes, texts }: Shape): number => 8 * (1 + doubles) + codes + 60 * texts;

/** The place of a reason is stored: only ever append. */
const REASONS: readonly (QualityReason | undefined)[] = [
  undefined,
  'sentinel',
  'out-of-range',
  'not-a-number',
  'device-error',
  'timeout',
  'gap',
  'clipping',
  'constant',
  'dropout',
  'sample-rate',
  'clock-unsynchronised',
  'stale',
  'dc-offset',
];
/** A reason that this program does not know is kept as none. */
export const qualityCode = (quality: Quality, reason: string | null | undefined): number =>
  qualityNumber(quality) +
  4 * Math.max(0, REASONS.indexOf((reason ?? undefined) as QualityReason | undefined));

export const qualityOfCode = (code: number): Quality => qualityOf(code);
export const reasonOfCode = (code: number): QualityReason | undefined => REASONS[code >> 2];

/** Chunks and rollups end with the UTC day, so that no chunk covers more. */
export const DAY_US = 86_400_000_000;
export const dayOf = (timeUs: number): number => Math.floor(timeUs / DAY_US);
