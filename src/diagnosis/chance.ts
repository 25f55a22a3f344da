/**
 * How likely noise alone makes a line of an averaged spectrum. The power in one bin of a mean over K spectra of noise
 * is Gamma distributed with shape K (a chi-square of 2K degrees of freedom, Welch 1967).
 */

/** Natural logarithm of the upper tail of a Gamma distribution of whole shape and scale 1. */
export function logGammaTail(shape: number, value: number): number {
  if (!(value > 0)) return 0;
  // e^-x * sum over j < shape of x^j / j!, summed relative to its largest term.
  let term = 0;
  let largest = 0;
  const terms: number[] = [];
  for (let j = 0; j < shape; j++) {
    if (j > 0) term += Math.log(value / j);
    terms.push(term);
    if (term > largest) largest = term;
  }
  let sum = 0;
  for (const each of terms) sum += Math.exp(each - largest);
  return Math.min(0, largest + Math.log(sum) - value);
}

/** Share of Hann-windowed spectra with half overlap that are independent (Welch 1967: 1 / (1 + 2 / 36)). */
const INDEPENDENT = 0.947;
/** The highest of three neighbouring bins of a Hann window is as likely as two independent bins are. */
const BINS_LOOKED_AT = 2;

/**
 * Tells surprise of a line, -ln of the chance that noise makes the highest of three bins stand out so far, from its
 * ratio of amplitude to the median of the amplitudes around it. One table per spectrum.
 */
export function surpriseTable(averages: number, cap: number): (ratio: number) => number {
  const shape = Math.max(1, Math.round(averages * INDEPENDENT));
  // Median of a Gamma distribution (Wilson and Hilferty), which the floor is.
  const median = shape * (1 - 1 / (9 * shape)) ** 3;
  const step = 0.02;
  const table: number[] = [];
  for (let ratio = 0; ; ratio += step) {
    const surprise = -Math.min(0, Math.log(BINS_LOOKED_AT) + logGammaTail(shape, median * ratio * ratio));
    table.push(Math.min(cap, surprise));
    if (surprise >= cap || table.length > 4000) break;
  }
  const last = table.length - 1;
  return (ratio) => table[Math.min(last, Math.round(ratio / step))]!;
}
