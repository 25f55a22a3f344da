/**
 * Samples of a converter are whole numbers times a step; after calibration they are float32, and the step is not known
 * any more. This finds it again, so that the whole numbers can be stored in place of the floats.
 */

/** Samples that are looked at to find the step. */
const PROBE = 4_096;
/** The smallest distance seen may be this many steps. */
const MAX_MULTIPLE = 8;
/** Float32 has 24 bits: larger whole numbers would not have come through it. */
const MAX_LEVEL = 2 ** 24;

/** Whole numbers and the step, such that `Math.fround(level * step)` is each sample, bit for bit; or undefined. */
export function latticeOf(
  samples: Float32Array,
  hint?: number,
): { step: number; levels: Int32Array } | undefined {
  if (hint !== undefined) {
    const levels = levelsOf(samples, hint);
    if (levels !== undefined) return { step: hint, levels };
  }
  for (const step of candidates(samples)) {
    const levels = levelsOf(samples, step);
    if (levels !== undefined) return { step, levels };
  }
  return undefined;
}

function levelsOf(samples: Float32Array, step: number): Int32Array | undefined {
  const levels = new Int32Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i]!;
    // Without a sign where it is 0: the whole number does not keep it.
    const level = Math.round(sample / step) + 0;
    // `Object.is` tells -0, which has other bits than 0.
    if (!Object.is(Math.fround(level * step), sample) || level >= MAX_LEVEL || level <= -MAX_LEVEL)
      return undefined;
    levels[i] = level;
  }
  return levels;
}

function* candidates(samples: Float32Array): Generator<number> {
  const probe = samples.slice(0, PROBE).sort();
  const values = probe.filter((value, index) => index === 0 || value !== probe[index - 1]);
  if (!values.every(Number.isFinite)) return;
  const first = values[0] ?? 0;
  const largest = Math.max(Math.abs(first), Math.abs(values.at(-1) ?? 0));
  if (largest === 0) {
    yield 1;
    return;
  }
  if (values.length === 1) {
    yield largest;
    return;
  }
  // Two rounded values: their distance is known to within one rounding of the larger.
  const error = roundingOf(largest);
  const gaps = Float64Array.from(values.subarray(1), (value, index) => value - values[index]!);
  const spans = Float64Array.from(values.subarray(1), (value) => value - first);
  // From one step to the whole range without a leap, so that each tells how many steps the next one is.
  const distances = Float64Array.from([...gaps, ...spans]).sort();
  const smallest = distances[0]!;
  const magnitudes = Float64Array.from(values, Math.abs).sort();
  for (let multiple = 1; multiple <= MAX_MULTIPLE; multiple++) {
    let range: Range | undefined = {
      from: (smallest - error) / multiple,
      to: (smallest + error) / multiple,
    };
    range = narrowed(range, distances, () => error);
    if (range !== undefined) range = narrowed(range, magnitudes, (value) => roundingOf(value) / 2);
    if (range !== undefined && range.from > 0) yield (range.from + range.to) / 2;
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Each value is a whole number of steps give or take its error; from the smallest to the largest, each leaves less
 * room for the step. Undefined where none is left.
 */
function narrowed(
  range: Range,
  ascending: Float64Array,
  errorOf: (value: number) => number,
): Range | undefined {
  let { from, to } = range;
  for (const value of ascending) {
    if (value === 0) continue;
    const middle = (from + to) / 2;
    const level = Math.round(value / middle);
    // Not yet known well enough to say how many steps this is.
    if (level === 0 || (value / from - value / to) / 2 > 0.45) continue;
    const error = errorOf(value);
    from = Math.max(from, (value - error) / level);
    to = Math.min(to, (value + error) / level);
    if (from > to) return undefined;
  }
  return { from, to };
}

/** Distance of neighbouring float32 at a magnitude. */
const roundingOf = (magnitude: number): number => 2 ** (Math.floor(Math.log2(magnitude)) - 23);
