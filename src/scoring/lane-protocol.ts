/** What the words of a scoring lane say. */
export const LANE = {
  /** Asked: the model, by the number that its load gave. Answered: 1 where there is a result, 0 where an error. */
  model: 0,
  /** Asked: rows of the batch. Answered: values of the result, or characters of the error. */
  count: 1,
} as const;

/** 4 MiB a lane: 64 rows of 16,384 samples. What is larger goes by message, where the way costs least of all. */
export const LANE_VALUES = 2 ** 20;

/** One batch runs while the next is written. */
export const LANE_COUNT = 2;

/** Characters of an error that cross. */
const MAX_ERROR = 4000;

/** An error as numbers: there is no other way across. @returns characters */
export function writeError(error: unknown, out: Float32Array): number {
  const text = JSON.stringify(error).slice(0, MAX_ERROR);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return text.length;
}

export function readError(values: Float32Array, count: number): unknown {
  return JSON.parse(String.fromCharCode(...values.subarray(0, count)));
}
