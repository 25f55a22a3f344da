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

/**
 * Health index between 1 (healthy) and 0: h = 1 / (1 + e²) with the exceedance e. It is 0.5 at the threshold, 0.8 at
 * half of it, 0.2 at twice.
 */
export function healthIndex(score: { readonly score: number; readonly threshold: number }): number {
  const ratio = Math.max(0, exceedance(score));
  return 1 / (1 + ratio * ratio);
}
