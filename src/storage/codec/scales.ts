/** How integers become values. `apply` is the arithmetic by which a sender got its decimals, so it is exact. */
interface Scale {
  /** The integer that a value may be; to be checked with `valueOf`. */
  integerOf(value: number): number;
  valueOf(integer: number): number;
  /** Integers to values, in place. */
  apply(values: Float64Array, count: number): void;
}

/** Digits behind the point that are looked for; a sensor with more is noise in binary. */
const MAX_DIGITS = 10;
/** Integers up to here leave room for prediction in a double. */
const MAX_INTEGER = 2 ** 50;
const SAMPLE = 32;
/** With more values beside the scale than this share, another form is shorter. */
const MAX_EXCEPTIONS = 1 / 8;

/** A decimal number as it is parsed: 23.4 is 234 / 10. */
const quotient = (power: number): Scale => ({
  integerOf: (value) => Math.round(value * power),
  valueOf: (integer) => integer / power,
  apply(values, count) {
    for (let i = 0; i < count; i++) values[i] = values[i]! / power;
  },
});

/** A register times a factor, as Modbus maps have it: 234 · 0.1 is not quite 23.4. */
const product = (power: number): Scale => {
  const factor = 1 / power;
  return {
    integerOf: (value) => Math.round(value * power),
    valueOf: (integer) => integer * factor,
    apply(values, count) {
      for (let i = 0; i < count; i++) values[i] = values[i]! * factor;
    },
  };
};

/** A decimal number that came as a float32. */
const single = (power: number): Scale => ({
  integerOf: (value) => Math.round(value * power),
  valueOf: (integer) => Math.fround(integer / power),
  apply(values, count) {
    for (let i = 0; i < count; i++) values[i] = Math.fround(values[i]! / power);
  },
});

/** In the order in which they are tried; their places are stored, so only ever append. */
export const SCALES: readonly Scale[] = [
  ...Array.from({ length: MAX_DIGITS + 1 }, (_, digits) => quotient(10 ** digits)),
  ...Array.from({ length: MAX_DIGITS }, (_, digits) => product(10 ** (digits + 1))),
  ...Array.from({ length: 6 }, (_, digits) => single(10 ** (digits + 1))),
];

/** The first scale that nearly all of a sample fits. */
export function findScale(values: Float64Array, count: number): number | undefined {
  const size = Math.min(SAMPLE, count);
  for (const [number, scale] of SCALES.entries()) {
    let misses = 0;
    for (let i = 0; i < size && misses <= size * MAX_EXCEPTIONS; i++) {
      const value = values[Math.floor((i * count) / size)]!;
      if (!fits(scale, value)) misses++;
    }
    if (misses <= size * MAX_EXCEPTIONS) return number;
  }
  return undefined;
}

const fits = (scale: Scale, value: number): boolean => {
  const integer = scale.integerOf(value);
  return (
    integer < MAX_INTEGER &&
    integer > -MAX_INTEGER &&
    scale.valueOf(integer) === value &&
    (integer !== 0 || 1 / value > 0)
  );
};

/**
 * The integers of all values. Gives the places of those that have none (NaN, −0, noise), which repeat the integer
 * before; undefined where there are too many.
 */
export function toIntegers(
  values: Float64Array,
  count: number,
  number: number,
  integers: Float64Array,
): number[] | undefined {
  const scale = SCALES[number]!;
  const exceptions: number[] = [];
  const most = Math.max(1, count * MAX_EXCEPTIONS);
  let before = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (fits(scale, value)) {
      before = scale.integerOf(value);
    } else {
      exceptions.push(i);
      if (exceptions.length > most) return undefined;
    }
    integers[i] = before;
  }
  return exceptions;
}
