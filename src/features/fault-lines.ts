/** Lines of a spectrum over the floor around them. */

/** Bins on each side from which the floor is taken, at least. */
const FLOOR_BINS = 12;

/** Median of `values[from..to)`, by selection in `scratch`; allocates nothing. */
export function medianOf(values: ArrayLike<number>, from: number, to: number, scratch: Float64Array): number {
  const count = Math.min(to - from, scratch.length);
  if (count <= 0) return 0;
  for (let i = 0; i < count; i++) scratch[i] = values[from + i]!;
  return selectKth(scratch, count, count >> 1);
}

/** Hoare's selection: the k-th smallest of the first `count` values, which are reordered. */
function selectKth(values: Float64Array, count: number, k: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1]!;
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i <= j) {
        const swap = values[i]!;
        values[i] = values[j]!;
        values[j] = swap;
        i++;
        j--;
      }
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k]!;
}

export interface FaultLine {
  readonly bin: number;
  readonly value: number;
  /** Value over the median of its neighbourhood. */
  readonly ratio: number;
}

/** Floor under which a modulation of the envelope means nothing (a thousandth): it bounds the ratios of clean signals. */
const LEAST_FLOOR = 1e-3;

/** The highest bin within [fromBin, toBin] (whole bins), against the median of a neighbourhood `reach` wider on both sides. */
export function lineOverFloor(
  spectrum: ArrayLike<number>,
  fromBin: number,
  toBin: number,
  reach: number,
  scratch: Float64Array,
): FaultLine | undefined {
  const from = Math.max(1, fromBin);
  const to = Math.min(spectrum.length - 1, toBin);
  if (to < from) return undefined;
  let bin = from;
  for (let k = from + 1; k <= to; k++) if (spectrum[k]! > spectrum[bin]!) bin = k;
  const wide = Math.max(FLOOR_BINS, reach);
  const floor = medianOf(
    spectrum,
    Math.max(1, from - wide),
    Math.min(spectrum.length, to + wide + 1),
    scratch,
  );
  const value = spectrum[bin]!;
  return { bin, value, ratio: value / Math.max(floor, LEAST_FLOOR) };
}

/** Slip of a loaded rolling bearing against its kinematics, share of the frequency (Randall and Antoni 2011: 1-2 %). */
export const SLIP = 0.02;
export const SCRATCH_BINS = 4096;

/** Sum of the ratios of the harmonics of one fault frequency; a harmonic beyond the spectrum counts nothing. */
export function harmonicRatioSum(
  spectrum: ArrayLike<number>,
  binHz: number,
  frequencyHz: number,
  harmonics: readonly number[],
  scratch: Float64Array,
): number {
  let sum = 0;
  for (const harmonic of harmonics) {
    const bin = (harmonic * frequencyHz) / binHz;
    const tolerance = Math.max(1.5, bin * SLIP);
    const line = lineOverFloor(
      spectrum,
      Math.ceil(bin - tolerance),
      Math.floor(bin + tolerance),
      Math.min(SCRATCH_BINS / 4, Math.round(bin * 0.1)),
      scratch,
    );
    if (line !== undefined) sum += line.ratio;
  }
  return sum;
}
