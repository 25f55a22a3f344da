import type { ChunkStore } from '../chunks/chunk-store.js';
import { between, lastUs, rowCount } from '../chunks/columns.js';
import { qualityOfCode, reasonOfCode, type SeriesKind } from '../chunks/kinds.js';
import { clampedUs, rowsBetween } from '../chunks/queries.js';
import type { Series } from '../chunks/series.js';
import type { Columns } from '../codec/chunk.js';
import type { SqliteDatabase } from '../sqlite.js';
import { type ExportColumn, type ExportPage, type ExportTable, inOrderOfTime } from './export-table.js';

/** Rows read at a time of one series: some megabytes. */
const PAGE_ROWS = 20_000;

/**
 * Readings, features or scores of a point, exactly as they are stored; undefined where there are none. What the point
 * delivered under several units, lists of features or models is one table in order of time.
 */
export function seriesTable(
  db: SqliteDatabase,
  store: ChunkStore,
  kind: SeriesKind,
  point: string,
  span: { readonly fromMs: number; readonly toMs: number },
): ExportTable | undefined {
  const series = store.series.ofPoint(point, kind);
  const [fromUs, toUs] = [clampedUs(span.fromMs), clampedUs(span.toMs)];
  const filled = series.filter((one) => rowCount(rowsBetween(store, one, fromUs, toUs, 1)) > 0);
  if (filled.length === 0) return undefined;
  const layout = LAYOUTS[kind](filled);
  return {
    kind,
    point,
    columns: layout.columns,
    *pages() {
      for (const parts of partsOf(db, store, filled, fromUs, toUs)) {
        const pages = parts.map(({ series: one, rows }) => layout.page(one, rows));
        yield pages.length === 1 ? pages[0]! : inOrderOfTime(pages);
      }
    },
  };
}

interface Part {
  readonly series: Series;
  readonly rows: Columns;
}

/** The rows of several series in steps of time, so that no step holds much more than a page of each. */
function* partsOf(
  db: SqliteDatabase,
  store: ChunkStore,
  series: readonly Series[],
  fromUs: number,
  toUs: number,
): Generator<Part[]> {
  let cursorUs = fromUs;
  let limit = PAGE_ROWS;
  // In one transaction: the daemon may replace a chunk between a look at the list and a look at the chunk.
  const read = db.transaction(() =>
    series.map((one) => ({ series: one, rows: rowsBetween(store, one, cursorUs, toUs, limit) })),
  );
  for (;;) {
    const found = read().filter(({ rows }) => rowCount(rows) > 0);
    if (found.length === 0) return;
    // A full page may lack rows of its last time.
    const endUs = Math.min(
      toUs,
      ...found.filter(({ rows }) => rowCount(rows) >= limit).map(({ rows }) => lastUs(rows)),
    );
    if (endUs <= cursorUs) {
      limit *= 2;
      continue;
    }
    const parts = found
      .map(({ series: one, rows }) => ({ series: one, rows: between(rows, cursorUs, endUs) }))
      .filter(({ rows }) => rowCount(rows) > 0);
    if (parts.length > 0) yield parts;
    if (endUs >= toUs) return;
    cursorUs = endUs;
  }
}

interface Layout {
  readonly columns: readonly ExportColumn[];
  page(series: Series, rows: Columns): ExportPage;
}

const LAYOUTS: Readonly<Record<SeriesKind, (series: readonly Series[]) => Layout>> = {
  readings: () => ({
    columns: [
      { name: 'time', kind: 'time' },
      { name: 'value', kind: 'number' },
      { name: 'unit', kind: 'text' },
      { name: 'quality', kind: 'text' },
      { name: 'reason', kind: 'text' },
    ],
    page: ({ detail }, { timesUs, doubles, codes }) => [
      timesUs,
      doubles[0]!,
      filled(timesUs.length, detail),
      Array.from(codes[0]!, qualityOfCode),
      Array.from(codes[0]!, (code) => reasonOfCode(code) ?? null),
    ],
  }),
  features: (series) => {
    const names = [...new Set(series.flatMap(({ detail }) => JSON.parse(detail) as string[]))];
    return {
      columns: [
        { name: 'time', kind: 'time' },
        { name: 'durationS', kind: 'number' },
        ...names.map((name) => ({ name, kind: 'number' as const })),
      ],
      page: ({ detail }, { timesUs, doubles }) => {
        const own = JSON.parse(detail) as string[];
        const missing = new Float64Array(timesUs.length).fill(Number.NaN);
        return [
          timesUs,
          doubles[0]!.map((durationUs) => durationUs / 1e6),
          ...names.map((name) => (own.includes(name) ? doubles[own.indexOf(name) + 1]! : missing)),
        ];
      },
    };
  },
  scores: () => ({
    columns: [
      { name: 'time', kind: 'time' },
      { name: 'model', kind: 'text' },
      { name: 'version', kind: 'text' },
      { name: 'score', kind: 'number' },
      { name: 'threshold', kind: 'number' },
      { name: 'anomalous', kind: 'flag' },
      { name: 'fallback', kind: 'text' },
      { name: 'correlationId', kind: 'text' },
      { name: 'state', kind: 'text' },
    ],
    page: ({ detail }, { timesUs, doubles, codes, texts }) => {
      const [model = '', version = '', state = ''] = JSON.parse(detail) as string[];
      return [
        timesUs,
        filled(timesUs.length, model),
        filled(timesUs.length, version),
        doubles[0]!,
        doubles[1]!,
        Float64Array.from(codes[0]!),
        texts[0]!,
        texts[1]!,
        filled(timesUs.length, state),
      ];
    },
  }),
};

const filled = (length: number, text: string): string[] => new Array<string>(length).fill(text);
