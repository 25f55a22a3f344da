import { closeSync, openSync, writeSync } from 'node:fs';
import {
  type ColumnValues,
  type ExportColumn,
  type ExportPage,
  pageRows,
  type TableFile,
} from './export-table.js';

/**
 * CSV (RFC 4180, LF): one header line, times in ISO 8601 in UTC with microseconds where there are any, a point as the
 * decimal mark, and nothing for no value. Numbers are the shortest texts that read back to the same bits.
 */
export function csvFile(path: string, columns: readonly ExportColumn[]): TableFile {
  const file = openSync(path, 'wx', 0o640);
  writeSync(file, `${columns.map(({ name }) => csvField(name)).join(',')}\n`);
  return {
    append(page) {
      writeSync(file, csvRows(columns, page));
    },
    finish: () => closeSync(file),
    abort: () => closeSync(file),
  };
}

export function csvRows(columns: readonly ExportColumn[], page: ExportPage): string {
  const texts = columns.map(({ kind }, index) => columnTexts(kind, page[index]!));
  const lines: string[] = [];
  for (let row = 0; row < pageRows(page); row++) {
    let line = texts[0]!(row);
    for (let column = 1; column < texts.length; column++) line += `,${texts[column]!(row)}`;
    lines.push(line);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function columnTexts(kind: ExportColumn['kind'], values: ColumnValues): (row: number) => string {
  if (!(values instanceof Float64Array)) {
    const known = new Map<string | null, string>();
    return (row) => {
      const text = values[row] ?? null;
      let field = known.get(text);
      if (field === undefined) {
        field = csvField(text ?? '');
        if (known.size < 1_000) known.set(text, field);
      }
      return field;
    };
  }
  if (kind === 'time') return (row) => isoTime(values[row]!);
  if (kind === 'flag') return (row) => (values[row] === 0 ? 'false' : 'true');
  return (row) => numberText(values[row]!);
}

/** ISO 8601 in UTC; microseconds only where the time has them. */
export function isoTime(timeUs: number): string {
  const ms = Math.floor(timeUs / 1000);
  const us = timeUs - ms * 1000;
  const iso = new Date(ms).toISOString();
  return us === 0 ? iso : `${iso.slice(0, -1)}${String(us).padStart(3, '0')}Z`;
}

const numberText = (value: number): string =>
  Number.isNaN(value) ? '' : Object.is(value, -0) ? '-0' : String(value);

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
