import { type FeatureRow, toUs } from '../rows.js';
import { Names, namePairs } from './names.js';

/** Feature vectors of many points in one buffer, which changes hands. */
export interface PackedFeatures {
  readonly count: number;
  /** `Names` of point and the JSON list of its features' names. */
  readonly names: string;
  /**
   * Float64, row by row: place in `names`, time and duration in microseconds, then the values in the order of the
   * names.
   */
  readonly buffer: ArrayBuffer;
}

const HEAD = 3;
/** Rows between two looks at the clock. */
const STEP = 8;

export function* packFeatures(rows: readonly FeatureRow[]): Generator<void, PackedFeatures> {
  const names = new Names();
  const lists = new NameLists();
  const keysOf: (readonly string[])[] = [];
  const listOf: string[] = [];
  let length = 0;
  for (const [index, { features }] of rows.entries()) {
    const { keys, text } = lists.of(features);
    keysOf.push(keys);
    listOf.push(text);
    length += HEAD + keys.length;
    if (index % STEP === STEP - 1) yield;
  }
  const all = new Float64Array(length);
  let at = 0;
  for (const [index, { point, timeMs, durationMs, features }] of rows.entries()) {
    all[at++] = names.place(point, listOf[index]!);
    all[at++] = toUs(timeMs);
    all[at++] = toUs(durationMs);
    for (const key of keysOf[index]!) all[at++] = features[key]!;
    if (index % STEP === STEP - 1) yield;
  }
  return { count: rows.length, names: names.finish(), buffer: all.buffer };
}

/** Lists of names, each made once: the windows of a point have the same ones every time. */
class NameLists {
  readonly #known: { readonly keys: readonly string[]; readonly text: string }[] = [];

  of(features: Readonly<Record<string, number>>): {
    readonly keys: readonly string[];
    readonly text: string;
  } {
    const keys = Object.keys(features);
    for (const known of this.#known)
      if (known.keys.length === keys.length && known.keys.every((key, index) => key === keys[index]))
        return known;
    const fresh = { keys, text: JSON.stringify(keys) };
    if (this.#known.length < MAX_LISTS) this.#known.push(fresh);
    return fresh;
  }
}
const MAX_LISTS = 32;

export interface UnpackedFeatures {
  readonly point: string;
  /** JSON list of the names. */
  readonly names: string;
  readonly timeUs: number;
  /** Duration in microseconds, then a value for each name. */
  readonly doubles: Float64Array;
}

export function* unpackFeatures({ count, names, buffer }: PackedFeatures): Generator<UnpackedFeatures> {
  const pairs = namePairs(names).map(([point, list]) => ({
    point,
    names: list,
    width: (JSON.parse(list) as string[]).length,
  }));
  const all = new Float64Array(buffer);
  for (let row = 0, at = 0; row < count; row++) {
    const found = pairs[all[at]!];
    // A buffer that was given away already is empty.
    if (found === undefined) throw new RangeError('features without their values');
    const { point, names: list, width } = found;
    yield { point, names: list, timeUs: all[at + 1]!, doubles: all.slice(at + 2, at + HEAD + width) };
    at += HEAD + width;
  }
}
