import { readFile, stat } from 'node:fs/promises';
import { SmEdgeError } from '../base/errors.js';
import { csvLines, decodeText, parseNumber, splitCsvLine } from './csv.js';
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
  const lines = csvLines(decodeText(await read(path, entry.file)));
  const header = splitCsvLine(lines.next().value ?? '', entry.separator).map((name) => name.trim());
  const column = (name: string) => {
    const index = header.indexOf(name);
    if (index >= 0 && header.includes(name, index + 1))
      throw new SmEdgeError('TABLE_FORMAT', `${entry.file} has the column "${name}" twice`, {
        hint: 'Rename one of them in its first line: which one is meant nobody can tell.',
      });
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
        { hint: timeHint(fields[time!.index] ?? '') },
      );
    yield {
      index,
      timeMs,
      readings: points.map(({ point, unit, index: at, unitIndex, qualityIndex }) =>
        toReading(
          point,
          fields[unitIndex] ?? unit,
          timeMs,
          fields[at],
          fields[qualityIndex]?.trim(),
          entry.decimal,
        ),
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
  decimal: TableEntry['decimal'],
): Reading {
  const value = parseNumber(field, decimal);
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

async function read(path: string, file: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_TABLE_BYTES) return await readFile(path);
  } catch (cause) {
    throw fileUnreadable(file, path, cause);
  }
  throw new SmEdgeError('TABLE_TOO_LARGE', `${file} is larger than 256 MiB`, {
    hint: 'Cut it into several tables, by day or by machine.',
  });
}

const MAX_TABLE_BYTES = 256 * 2 ** 20;

/** A file that the manifest names cannot be read. */
export function fileUnreadable(file: string, path: string, cause: unknown): SmEdgeError {
  const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new SmEdgeError(
    'RECORDING_SET_FILE',
    isMissing
      ? `${file} is not there: manifest.json names it`
      : `${file} cannot be read: ${(cause as Error).message}`,
    {
      hint: isMissing ? `Put it at ${path}, or take it out of manifest.json.` : 'Check who may read it.',
      cause,
    },
  );
}

const EPOCH = 'give the table "time": { "column": …, "format": ';

/** What format a time looks like that was not understood. */
function timeHint(text: string): string {
  if (/^\d{9,10}(\.\d+)?$/.test(text.trim())) return `Seconds since 1970? Then ${EPOCH}"s" }.`;
  if (/^\d{12,13}$/.test(text.trim())) return `Milliseconds since 1970? Then ${EPOCH}"ms" }.`;
  return `Write it as 2026-11-21T09:30:00, or ${EPOCH}"dd.MM.yyyy HH:mm:ss" } as it is.`;
}

/** @throws SmEdgeError `TABLE_FORMAT` */
function labelledWindow(file: string, from: string, to: string): readonly [number, number] {
  const window = [parseIso(from), parseIso(to)] as const;
  if (window[0] <= window[1]) return window;
  const why = window.some(Number.isNaN) ? 'is no time' : 'ends before it begins';
  throw new SmEdgeError('TABLE_FORMAT', `${file}: the labelled window "${from}" to "${to}" ${why}`, {
    hint: 'Write label.windows as pairs of times, such as 2026-11-21T09:30:00.',
  });
}

type LabelReader = (fields: readonly string[], timeMs: number) => boolean | undefined;

function labelReader(entry: TableEntry, column: (name: string) => number): LabelReader {
  const { label } = entry;
  if (label === undefined) return () => undefined;
  if ('windows' in label) {
    const windows = label.windows.map(([from, to]) => labelledWindow(entry.file, from, to));
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
