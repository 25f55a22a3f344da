/** Fewer points for a plot, of values in order of time; both keep the first and the last. */
export interface Points {
  readonly timesUs: Float64Array;
  readonly values: Float64Array;
}

/**
 * Largest triangle three buckets (Steinarsson 2013): of each bucket the point that makes the largest triangle with the
 * one chosen before and the mean of the next bucket. NaN values are left out.
 * @param most at least 3
 */
export function largestTriangles(points: Points, most: number): Points {
  const { timesUs, values } = withoutGaps(points);
  const { length } = timesUs;
  if (length <= most) return { timesUs, values };
  const chosen = new Uint32Array(most);
  const every = (length - 2) / (most - 2);
  let before = 0;
  for (let bucket = 0; bucket < most - 2; bucket++) {
    const from = Math.floor(bucket * every) + 1;
    const to = Math.floor((bucket + 1) * every) + 1;
    const nextTo = Math.min(length, Math.floor((bucket + 2) * every) + 1);
    let meanTime = 0;
    let meanValue = 0;
    for (let i = to; i < nextTo; i++) {
      meanTime += timesUs[i]! - timesUs[from]!;
      meanValue += values[i]!;
    }
    meanTime = timesUs[from]! + meanTime / (nextTo - to);
    meanValue /= nextTo - to;
    let largest = -1;
    let best = from;
    for (let i = from; i < to; i++) {
      const area = Math.abs(
        (timesUs[before]! - meanTime) * (values[i]! - values[before]!) -
          (timesUs[before]! - timesUs[i]!) * (meanValue - values[before]!),
      );
      if (area > largest) {
        largest = area;
        best = i;
      }
    }
    chosen[bucket + 1] = best;
    before = best;
  }
  chosen[most - 1] = length - 1;
  return pick({ timesUs, values }, chosen);
}

/** Of each bucket the smallest and the largest value, in the order in which they came: no peak is lost. */
export function extremes(points: Points, most: number): Points {
  const clean = withoutGaps(points);
  const { length } = clean.timesUs;
  if (length <= most) return clean;
  const buckets = Math.max(1, Math.floor((most - 2) / 2));
  const chosen: number[] = [0];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * length) / buckets);
    const to = Math.floor(((bucket + 1) * length) / buckets);
    let smallest = from;
    let largest = from;
    for (let i = from; i < to; i++) {
      if (clean.values[i]! < clean.values[smallest]!) smallest = i;
      if (clean.values[i]! > clean.values[largest]!) largest = i;
    }
    for (const row of [Math.min(smallest, largest), Math.max(smallest, largest)])
      if (row > chosen[chosen.length - 1]!) chosen.push(row);
  }
  if (chosen[chosen.length - 1] !== length - 1) chosen.push(length - 1);
  return pick(clean, Uint32Array.from(chosen));
}

function withoutGaps({ timesUs, values }: Points): Points {
  if (!values.some(Number.isNaN)) return { timesUs, values };
  const rows: number[] = [];
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i]!)) rows.push(i);
  return pick({ timesUs, values }, Uint32Array.from(rows));
}

const pick = ({ timesUs, values }: Points, rows: Uint32Array): Points => ({
  timesUs: Float64Array.from(rows, (row) => timesUs[row]!),
  values: Float64Array.from(rows, (row) => values[row]!),
});
