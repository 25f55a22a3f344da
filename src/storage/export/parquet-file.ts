import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { PROGRAM_VERSION } from '../../base/version.js';
import type { ColumnKind, ExportColumn, ExportPage, TableFile } from './export-table.js';
import { pageRows } from './export-table.js';

type Schema = ConstructorParameters<typeof ParquetWriter>[0]['schema'];
type Element = Schema[number];

const ELEMENTS: Readonly<Record<ColumnKind, Omit<Element, 'name'>>> = {
  time: {
    type: 'INT64',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
    converted_type: 'TIMESTAMP_MICROS',
    repetition_type: 'REQUIRED',
  },
  number: { type: 'DOUBLE', repetition_type: 'OPTIONAL' },
  flag: { type: 'BOOLEAN', repetition_type: 'REQUIRED' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
};

/** Rows of one row group at least, so that readers skip by statistics and nobody holds a year in memory. */
const GROUP_ROWS = 100_000;

/**
 * Parquet with Snappy: times as microseconds in UTC, no value as null, and the point as a column of its own, so that a
 * folder of such files is one table to pandas, DuckDB or Spark.
 */
export function parquetFile(path: string, point: string, columns: readonly ExportColumn[]): TableFile {
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: [
      { name: 'root', num_children: columns.length + 1 },
      { name: 'point', ...ELEMENTS.text, repetition_type: 'REQUIRED' },
      ...columns.map(({ name, kind }) => ({ name, ...ELEMENTS[kind] })),
    ] as Schema,
    createdBy: `sm-edge version ${PROGRAM_VERSION}`,
  });
  let waiting: ExportPage[] = [];
  let rows = 0;
  const flush = () => {
    if (rows === 0) return;
    const pages = waiting;
    const data = columns.map(({ kind }, index) => pages.flatMap((page) => valuesOf(kind, page[index]!)));
    writer.write({
      columnData: [
        { name: 'point', data: new Array<string>(rows).fill(point) },
        ...columns.map(({ name }, index) => ({ name, data: data[index]! })),
      ],
      rowGroupSize: rows,
    });
    waiting = [];
    rows = 0;
  };
  return {
    append(page) {
      waiting.push(page);
      rows += pageRows(page);
      if (rows >= GROUP_ROWS) flush();
    },
    finish() {
      flush();
      writer.finish();
    },
    abort: () => undefined,
  };
}

function valuesOf(kind: ColumnKind, values: ExportPage[number]): unknown[] {
  if (!(values instanceof Float64Array)) return values as unknown[];
  if (kind === 'time') return Array.from(values, (value) => BigInt(value));
  if (kind === 'flag') return Array.from(values, (value) => value !== 0);
  return Array.from(values, (value) => (Number.isNaN(value) ? null : value));
}
