import type { Columns } from '../codec/chunk.js';
import type { ChunkHead, ChunkTable } from './chunk-table.js';
import { concat, firstUs, lastUs, lowerBound, merge, rowCount, slice } from './columns.js';
import { DAY_US, dayOf, rowsOfChunk } from './kinds.js';
import type { Series } from './series.js';

/**
 * Puts rows into the chunks of a series: behind the last one where they are new, into those that they belong to where
 * they are late. Rows that are there already change nothing, so it may be repeated after a crash.
 * @param rows in order
 * @returns the rows that were not there before, in order; to be called in a transaction
 */
export function mergeIntoChunks(table: ChunkTable, series: Series, rows: Columns): Columns {
  const added: Columns[] = [];
  for (let from = 0; from < rowCount(rows); ) {
    const endUs = (dayOf(rows.timesUs[from]!) + 1) * DAY_US;
    const to = lowerBound(rows.timesUs, endUs);
    mergeDay(table, series, slice(rows, from, to), added);
    from = to;
  }
  return concat(added);
}

/** The chunks of a day share it out: each owns the time from its first row to the first row of the next one. */
function mergeDay(table: ChunkTable, series: Series, rows: Columns, added: Columns[]): void {
  const dayUs = dayOf(firstUs(rows)) * DAY_US;
  const heads = table.heads(series.id, dayUs, dayUs + DAY_US);
  let from = 0;
  for (let owner = 0; owner <= heads.length && from < rowCount(rows); owner++) {
    const next = heads[owner + 1];
    const to = next === undefined ? rowCount(rows) : lowerBound(rows.timesUs, next.fromUs);
    if (to > from) mergeIntoOwner(table, series, heads[owner], slice(rows, from, to), added);
    from = Math.max(from, to);
  }
}

function mergeIntoOwner(
  table: ChunkTable,
  series: Series,
  owner: ChunkHead | undefined,
  rows: Columns,
  added: Columns[],
): void {
  const size = rowsOfChunk(series.shape);
  const apart = owner === undefined || firstUs(rows) > owner.toUs || lastUs(rows) < owner.fromUs;
  const old = owner === undefined || (apart && owner.count >= size / 2) ? undefined : table.read(owner.id);
  if (owner === undefined || old === undefined) {
    write(table, series.id, rows, size);
    added.push(rows);
    return;
  }
  const result = merge(old, rows, series.shape.replaces);
  if (rowCount(result.added) === 0) return;
  table.remove(owner.id);
  write(table, series.id, result.merged, size);
  added.push(result.added);
}

/** Cuts where the time changes, so that chunks do not touch. */
function write(table: ChunkTable, seriesId: number, rows: Columns, size: number): void {
  const { timesUs } = rows;
  for (let from = 0; from < timesUs.length; ) {
    let to = Math.min(from + size, timesUs.length);
    while (to < timesUs.length && timesUs[to] === timesUs[to - 1]) to++;
    table.insert(seriesId, slice(rows, from, to));
    from = to;
  }
}
