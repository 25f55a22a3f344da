import type { MemberScore, Score } from '../../scoring/score.js';
import type { ScoreRow } from '../../storage/store.js';

/** A score as it is stored. */
export const scoreRow = (point: string, timeMs: number, score: Score, correlationId: string): ScoreRow => {
  const why = score.fallback ?? score.leftOut;
  return {
    ...{ point, timeMs, correlationId },
    ...numbersOf(score),
    ...(why === undefined ? {} : { fallback: why }),
    ...(score.state === undefined ? {} : { state: score.state }),
  };
};

/** A score and, where it is that of an ensemble, those of its models. */
export const scoreRows = (point: string, timeMs: number, score: Score, correlationId: string): ScoreRow[] => [
  scoreRow(point, timeMs, score, correlationId),
  ...(score.members ?? []).map((member) => ({
    ...{ point, timeMs, correlationId },
    ...numbersOf(member),
    ...(score.state === undefined ? {} : { state: score.state }),
  })),
];

const numbersOf = ({ model, version, score, threshold, anomalous }: MemberScore) => ({
  model,
  version,
  score,
  threshold,
  anomalous,
});
