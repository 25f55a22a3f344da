/**
 * How far a score is on the way to its threshold: 1 at the threshold, more above it. For a positive threshold it is
 * score / threshold; the form below also holds for models whose scores are negative.
 */
export function exceedance({
  score,
  threshold,
}: {
  readonly score: number;
  readonly threshold: number;
}): number {
  return 1 + (score - threshold) / (Math.abs(threshold) || 1);
}
