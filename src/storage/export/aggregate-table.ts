import type { ChunkStore } from '../chunks/chunk-store.js';
import { type Aggregates, aggregate } from '../rollups/aggregate.js';
import type { SqliteDatabase } from '../sqlite.js';
import { type ExportColumn, type ExportPage, type ExportTable, inOrderOfTime } from './export-table.js';

const DAY_MS = 86_400_000;
/** Days read at a time, where a bucket is an hour or more. Pages are whole days and buckets, so that no bucket lies in two. */
const PAGE_DAYS = 32;
const MAX_BUCKETS = 10_000;
const QUANTILES = [0.05, 0.5, 0.95] as const;

const FIGURES = [
  ['count', ({ counts }) => counts],
  ['min', ({ min }) => min],
  ['max', ({ max }) => max],
  ['mean', ({ mean }) => mean],
  ['standardDeviation', ({ standardDeviation }) => standardDeviation],
  ['last', ({ last }) => last],
  ['p05', ({ quantiles }) => quantiles[0]!],
  ['p50', ({ quantiles }) => quantiles[1]!],
  ['p95', ({ quantiles }) => quantiles[2]!],
  ['good', ({ good }) => good],
  ['uncertain', ({ uncertain }) => uncertain],
  ['bad', ({ bad }) => bad],
] as const satisfies readonly (readonly [string, (aggregates: Aggregates) => Float64Array])[];

const COLUMNS: readonly ExportColumn[] = [
  { name: 'time', kind: 'time' },
  { name: 'durationS', kind: 'number' },
  { name: 'unit', kind: 'text' },
  ...FIGURES.map(([name]) => ({ name, kind: 'number' as const })),
];

/**
 * Readings of a point by buckets of `everyMs`, from the continuous aggregates where they fit, so also of times whose
 * readings are gone; undefined where there are none. A bucket with readings in two units has two rows, and one is wider
 * where nothing finer is kept.
 * @param everyMs divides a day, or is whole days
 */
export function aggregateTable(
  db: SqliteDatabase,
  store: ChunkStore,
  point: string,
  span: { readonly fromMs: number; readonly toMs: number },
  everyMs: number,
): ExportTable | undefined {
  const spans = store.series.ofPoint(point, 'readings').map(({ id }) => store.span(id));
  const firstMs = Math.max(span.fromMs, Math.min(...spans.map(({ fromUs }) => fromUs / 1000)));
  const endMs = Math.min(span.toMs, Math.max(...spans.map(({ toUs }) => toUs / 1000)) + 1);
  if (!(firstMs < endMs)) return undefined;
  const pageMs = everyMs < DAY_MS / 24 ? DAY_MS : Math.ceil((PAGE_DAYS * DAY_MS) / everyMs) * everyMs;
  const read = db.transaction((fromMs: number, toMs: number) =>
    aggregate(store, {
      point,
      fromMs,
      toMs,
      buckets: MAX_BUCKETS,
      widthMs: everyMs,
      quantiles: QUANTILES,
    }),
  );
  return {
    kind: 'aggregates',
    point,
    columns: COLUMNS,
    *pages() {
      for (let fromMs = Math.floor(firstMs / pageMs) * pageMs; fromMs < endMs; fromMs += pageMs) {
        const found = read(Math.max(fromMs, firstMs), Math.min(fromMs + pageMs, endMs)).map(pageOf);
        if (found.length > 0) yield found.length === 1 ? found[0]! : inOrderOfTime(found);
      }
    },
  };
}

const pageOf = (found: Aggregates): ExportPage => [
  found.startsMs.map((ms) => Math.round(ms * 1000)),
  new Float64Array(found.startsMs.length).fill(found.widthMs / 1000),
  new Array<string>(found.startsMs.length).fill(found.unit),
  ...FIGURES.map(([, figure]) => figure(found)),
];
