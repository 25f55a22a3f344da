import type { Score } from '../scoring/score.js';
import type { ScoreRow } from '../storage/store.js';

/** A score as it is stored. */
export const scoreRow = (point: string, timeMs: number, score: Score, correlationId: string): ScoreRow => ({
  point,
  timeMs,
  model: score.model,
  version: score.version,
  score: score.score,
  threshold: score.threshold,
  anomalous: score.anomalous,
  ...(score.fallback === undefined ? {} : { fallback: score.fallback }),
  ...(score.state === undefined ? {} : { state: score.state }),
  correlationId,
});
