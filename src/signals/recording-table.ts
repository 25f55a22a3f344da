import { readFile } from 'node:fs/promises';
import { SmEdgeError } from '../base/errors.js';
import { csvLines, parseNumber, splitCsvLine } from './csv.js';
import { pointParts } from './point.js';
import type { Reading } from './reading.js';
import { isStateName, type TableEntry } from './recording-manifest.js';
import { parseIso, timeParser } from './time-format.js';

/** One row of a table: the readings of one time. */
export interface TableRow {
  /** 0 for the first row under the header. */
  readonly index: number;
  readonly timeMs: number;
  /** In the order of the table's points; an empty cell is a bad reading. */
  readonly readings: readonly Reading[];
  /** What the label says; undefined where the table has none. */
  readonly anomalous: boolean | undefined;
  /** Operating state that the table itself names; `unknown` where its cell is empty, undefined where it has no such column. */
  readonly state: string | undefined;
}

/** Rows of one table. Throws `TABLE_FORMAT` with the line for a missing column or a broken time. */
export async function* readTable(path: string, entry: TableEntry): AsyncGenerator<TableRow> {
  const lines = csvLines(await readFile(path, 'utf8'));
  const header = splitCsvLine(lines.next().value ?? '', entry.separator).map((name) => name.trim());
  const column = (name: string) => {
    const index = header.indexOf(name);
    if (index < 0)
      throw new SmEdgeError('TABLE_FORMAT', `${entry.file} has no column "${name}"`, {
        hint: `Its columns are: ${header.join(', ')}`,
      });
    return index;
  };
  const points = entry.points.map(({ column: name, point, unit = '', unitColumn, qualityColumn }) => ({
    index: column(name),
    point,
    unit,
    unitIndex: unitColumn === undefined ? -1 : column(unitColumn),
    qualityIndex: qualityColumn === undefined ? -1 : column(qualityColumn),
  }));
  const time =
    entry.time === undefined
      ? undefined
      : { index: column(entry.time.column), parse: timeParser(entry.time.format) };
  const label = labelReader(entry, column);
  const stateIndex = entry.state === undefined ? -1 : column(entry.state.column);
  let index = 0;
  for (const line of lines) {
    const fields = splitCsvLine(line, entry.separator);
    const timeMs = time === undefined ? index * 1000 : time.parse(fields[time.index] ?? '');
    if (!Number.isFinite(timeMs))
      throw new SmEdgeError(
        'TABLE_FORMAT',
        `${entry.file} line ${index + 2}: no time in "${fields[time!.index]}"`,
      );
    yield {
      index,
      timeMs,
      readings: points.map(({ point, unit, index: at, unitIndex, qualityIndex }) =>
        toReading(point, fields[unitIndex] ?? unit, timeMs, fields[at], fields[qualityIndex]?.trim()),
      ),
      anomalous: label(fields, timeMs),
      state: stateIndex < 0 ? undefined : stateIn(entry, fields[stateIndex], index),
    };
    index++;
  }
}

function stateIn({ file, state }: TableEntry, field: string | undefined, row: number): string {
  const text = field?.trim() ?? '';
  if (text === '') return 'unknown';
  if (isStateName(text)) return text;
  throw new SmEdgeError(
    'TABLE_FORMAT',
    `${file} line ${row + 2}: "${text}" is no name of an operating state`,
    {
      hint: `Use letters, digits, ".", "-" and "_" in the column ${state?.column}, such as stopped or full-load.`,
    },
  );
}

function toReading(
  point: string,
  unit: string,
  timeMs: number,
  field: string | undefined,
  quality: string | undefined,
): Reading {
  const value = parseNumber(field);
  if (!Number.isFinite(value))
    return { point, timeMs, value: Number.NaN, unit, quality: 'bad', reason: 'not-a-number' };
  return {
    point,
    timeMs,
    value,
    unit,
    quality: quality === 'bad' || quality === 'uncertain' ? quality : 'good',
  };
}

type LabelReader = (fields: readonly string[], timeMs: number) => boolean | undefined;

function labelReader(entry: TableEntry, column: (name: string) => number): LabelReader {
  const { label } = entry;
  if (label === undefined) return () => undefined;
  if ('windows' in label) {
    const windows = label.windows.map(([from, to]) => [parseIso(from), parseIso(to)] as const);
    return (_, timeMs) => windows.some(([from, to]) => timeMs >= from && timeMs <= to);
  }
  const index = column(label.column);
  const anomalous = Number(label.anomalous);
  return (fields) => {
    const text = fields[index]?.trim() ?? '';
    return (
      text === label.anomalous || (!Number.isNaN(anomalous) && text !== '' && Number(text) === anomalous)
    );
  };
}

/** Quantity of a table's point. */
export const tableQuantity = (point: TableEntry['points'][number]): string =>
  point.quantity ?? pointParts(point.point).quantity;
