/** What an export writes, as rows in columns: made by the sources in this folder, written by its file formats. */

export type ColumnKind = 'time' | 'number' | 'flag' | 'text';

export interface ExportColumn {
  readonly name: string;
  readonly kind: ColumnKind;
}

/**
 * `time`: integer microseconds since the Unix epoch. `number`: NaN is no value. `flag`: 0 or 1. `text`: null is none.
 * All columns of a page are equally long.
 */
export type ColumnValues = Float64Array | readonly (string | null)[];
export type ExportPage = readonly ColumnValues[];

/** The rows of one kind at one point, page by page in order of time. */
export interface ExportTable {
  readonly kind: 'readings' | 'features' | 'scores' | 'aggregates';
  readonly point: string;
  readonly columns: readonly ExportColumn[];
  pages(): Iterable<ExportPage>;
}

/** Takes the pages of one table; the file is whole after `finish`. */
export interface TableFile {
  append(page: ExportPage): void;
  finish(): void;
  /** Closes without a promise: the file is not whole. */
  abort(): void;
}

export const pageRows = (page: ExportPage): number => page[0]?.length ?? 0;

/** Pages with the same columns as one, by the first column. */
export function inOrderOfTime(pages: readonly ExportPage[]): ExportPage {
  const all = pages[0]!.map((column, index): ColumnValues => {
    const parts = pages.map((page) => page[index]!);
    return column instanceof Float64Array
      ? Float64Array.from((parts as Float64Array[]).flatMap((part) => [...part]))
      : (parts as (readonly (string | null)[])[]).flat();
  });
  const times = all[0] as Float64Array;
  const order = Uint32Array.from(times, (_, index) => index).sort((a, b) => times[a]! - times[b]! || a - b);
  return all.map((column) =>
    column instanceof Float64Array
      ? Float64Array.from(order, (row) => column[row]!)
      : Array.from(order, (row) => column[row]!),
  );
}
