/** Quality of a value, after OPC UA and NAMUR NE 107: good may be used, uncertain may be shown, bad is never scored or averaged. */
export type Quality = 'good' | 'uncertain' | 'bad';

/** Why a value is not good. Stable words: they are stored, counted and shown. */
export type QualityReason =
  | 'sentinel'
  | 'out-of-range'
  | 'not-a-number'
  | 'device-error'
  | 'timeout'
  | 'gap'
  | 'clipping'
  | 'constant'
  | 'dropout'
  | 'dc-offset'
  | 'sample-rate'
  | 'clock-unsynchronised'
  | 'stale';

const RANK: Readonly<Record<Quality, number>> = { good: 0, uncertain: 1, bad: 2 };

/** The worse of the two. */
export const worseQuality = (a: Quality, b: Quality): Quality => (RANK[a] >= RANK[b] ? a : b);

/**
 * May the value be judged (scored, averaged, learned from)? Good ones, and those of which the time alone is doubtful:
 * a gateway that never hears of the right time must watch its machines all the same.
 */
export const isSound = (quality: Quality, reason: QualityReason | undefined): boolean =>
  quality === 'good' || (quality === 'uncertain' && reason === 'clock-unsynchronised');
