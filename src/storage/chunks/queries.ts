import type { Columns } from '../codec/chunk.js';
import type { ChunkStore } from './chunk-store.js';
import { between, concat, firstUs, inOrder, lastUs, merge, rowCount, slice, without } from './columns.js';
import type { SeriesKind } from './kinds.js';
import type { Series } from './series.js';

/** A span of time at one point. */
export interface Span {
  readonly point: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  readonly limit: number;
}

/** Infinite bounds are welcome: "everything". */
export const clampedUs = (ms: number): number => Math.max(-9.1e15, Math.min(9.1e15, Math.round(ms * 1000)));

/**
 * Rows of a series with `fromUs` ≤ time < `toUs` in order, at most `limit`, from chunks and tail. No more chunks are
 * read than the limit needs.
 */
export function rowsBetween(
  store: ChunkStore,
  series: Series,
  fromUs: number,
  toUs: number,
  limit: number,
): Columns {
  const { replaces } = series.shape;
  const parts: Columns[] = [];
  let count = 0;
  let endUs = toUs;
  const heads = store.table.heads(series.id, fromUs, toUs);
  for (const [index, head] of heads.entries()) {
    const whole = store.table.read(head.id);
    const rows = whole === undefined ? undefined : between(whole, fromUs, toUs);
    if (rows === undefined || rowCount(rows) === 0) continue;
    parts.push(rows);
    count += rowCount(rows);
    if (count < limit || index === heads.length - 1) continue;
    // What the tail has behind here does not belong to the first `limit` rows.
    endUs = lastUs(rows) + 1;
    break;
  }
  const tail = inOrder(concat(store.tailOf(series.id)), replaces);
  const late = rowCount(tail) === 0 ? tail : between(tail, fromUs, endUs);
  const all =
    parts.length === 0
      ? late
      : rowCount(late) === 0
        ? concat(parts)
        : merge(concat(parts), late, replaces).merged;
  return rowCount(all) > limit ? slice(all, 0, limit) : all;
}

/** The rows of the tail that no chunk has, in order: late or repeated ones may be in both. */
export function tailNotInChunks(store: ChunkStore, series: Series): Columns {
  const { replaces } = series.shape;
  const tail = inOrder(concat(store.tailOf(series.id)), replaces);
  if (rowCount(tail) === 0) return tail;
  let left = tail;
  for (const { id } of store.table.heads(series.id, firstUs(tail), lastUs(tail) + 1)) {
    const rows = store.table.read(id);
    if (rows !== undefined) left = without(left, rows);
  }
  return left;
}

/** Rows in a span of every series of a point and kind, series by series, at most `limit` of each. */
export function seriesBetween(
  store: ChunkStore,
  kind: SeriesKind,
  { point, fromMs, toMs, limit }: Span,
): { readonly point: string; readonly detail: string; readonly columns: Columns }[] {
  return store.series
    .ofPoint(point, kind)
    .map((series) => ({
      point,
      detail: series.detail,
      columns: rowsBetween(store, series, clampedUs(fromMs), clampedUs(toMs), limit),
    }))
    .filter(({ columns }) => rowCount(columns) > 0);
}

/** The same as the interface has them, in order of time, at most `limit`. */
export function rowsOfPoint<R extends { readonly timeMs: number }>(
  store: ChunkStore,
  kind: SeriesKind,
  span: Span,
  toRows: (series: { readonly point: string; readonly detail: string }, columns: Columns) => R[],
): R[] {
  const found = seriesBetween(store, kind, span).map((series) => toRows(series, series.columns));
  if (found.length <= 1) return found[0] ?? [];
  return found
    .flat()
    .sort((a, b) => a.timeMs - b.timeMs)
    .slice(0, span.limit);
}
