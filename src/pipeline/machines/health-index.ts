import { exceedance } from '../../scoring/exceedance.js';

export { exceedance };

/**
 * Health index between 1 (healthy) and 0: h = 1 / (1 + e²) with the exceedance e. It is 0.5 at the threshold, 0.8 at
 * half of it, 0.2 at twice.
 */
export function healthIndex(score: { readonly score: number; readonly threshold: number }): number {
  const ratio = Math.max(0, exceedance(score));
  return 1 / (1 + ratio * ratio);
}
