import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SmEdgeError } from '../../base/errors.js';
import { makeFolder } from '../../base/folders.js';
import type { BearingGeometry } from '../../features/spec.js';
import { pointParts } from '../../signals/point.js';
import type { RecordedBearing, RecordingEntry } from '../../signals/recording-manifest.js';
import { ChunkStore } from '../chunks/chunk-store.js';
import { requireKnownForm } from '../known-form.js';
import { SqliteDatabase } from '../sqlite.js';
import { makeTargetFolder } from '../target-folder.js';
import { aggregateTable } from './aggregate-table.js';
import { csvFile } from './csv-file.js';
import { type ExportTable, pageRows } from './export-table.js';
import { parquetFile } from './parquet-file.js';
import { seriesTable } from './series-table.js';
import { wavFiles } from './wav-files.js';

export const EXPORT_KINDS = ['readings', 'features', 'scores', 'waveforms', 'aggregates'] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];
export type ExportFormat = 'csv' | 'parquet';

export interface ExportOptions {
  /** The database; others may write to it. */
  readonly database: string;
  /** Must not be there yet, or be empty. */
  readonly to: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  readonly kinds: readonly ExportKind[];
  /** Of the tables; waveforms are always WAV. */
  readonly format: ExportFormat;
  /** Width of a bucket of `aggregates`, milliseconds. */
  readonly everyMs: number;
  readonly isWanted: (point: string) => boolean;
  /** What the nameplate says of the machine at a point. */
  readonly machineOf: (point: string) => { readonly speedRpm?: number; readonly bearing?: BearingGeometry };
  /** Goes into the manifest. */
  readonly name: string;
  readonly onProgress: (share: number, what: string) => void;
}

export interface ExportedFile {
  /** Relative to the folder. */
  readonly file: string;
  readonly kind: ExportKind;
  readonly point: string;
  /** Rows of a table, samples of a waveform. */
  readonly rows: number;
}

/**
 * Writes what a store holds as a recording set, which `replay`, `evaluate` and `train` read: one file for each kind and
 * point, exactly as stored; WAV for each waveform. The manifest comes last: a folder that has one is whole.
 * @throws SmEdgeError `USAGE`, `STORE_OLDER`, `STORE_NEWER`, `EXPORT_EMPTY`, `EXPORT_FOLDER`
 */
export function exportStore(options: ExportOptions): readonly ExportedFile[] {
  const { database, to } = options;
  const wasThere = requireEmpty(to);
  const db = new SqliteDatabase(database, { readonly: true, timeout: 30_000 });
  let isOurs = false;
  try {
    requireKnownForm(db, database);
    makeTargetFolder(to, 'EXPORT_FOLDER');
    isOurs = true;
    const { files, recordings } = writeAll(db, options);
    if (files.length === 0)
      throw new SmEdgeError('EXPORT_EMPTY', 'the store has nothing of that', {
        hint: 'without --point, --from and --what everything is exported; "sm-edge status" names the points',
      });
    const manifest = manifestOf(options, files, recordings);
    writeFileSync(join(to, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o640 });
    return files;
  } catch (thrown) {
    // All that is in there is ours: it was empty.
    for (const entry of isOurs ? readdirSync(to) : [])
      rmSync(join(to, entry), { recursive: true, force: true });
    if (isOurs && !wasThere) rmSync(to, { recursive: true, force: true });
    throw thrown;
  } finally {
    db.close();
  }
}

function writeAll(db: SqliteDatabase, options: ExportOptions) {
  const { to, kinds, isWanted, onProgress } = options;
  const store = new ChunkStore(db);
  const points = (db.prepare('SELECT name FROM points ORDER BY name').all() as { name: string }[])
    .map(({ name }) => name)
    .filter(isWanted);
  const files: ExportedFile[] = [];
  const recordings: RecordingEntry[] = [];
  for (const [index, point] of points.entries()) {
    for (const kind of kinds) {
      onProgress(index / points.length, `${kind} of ${point}`);
      if (kind === 'waveforms') {
        for (const { samples, ...entry } of wavFiles(db, point, options, to)) {
          recordings.push(entry);
          files.push({ file: entry.file, kind, point, rows: samples });
        }
        continue;
      }
      const table =
        kind === 'aggregates'
          ? aggregateTable(db, store, point, options, options.everyMs)
          : seriesTable(db, store, kind, point, options);
      if (table !== undefined) files.push(writeTable(table, options));
    }
  }
  onProgress(1, 'done');
  return { files, recordings };
}

function writeTable(table: ExportTable, { to, format }: ExportOptions): ExportedFile {
  const { kind, point, columns } = table;
  makeFolder(join(to, kind), 0o750);
  const file = join(kind, `${point}.${format}`);
  const path = join(to, file);
  const writer = format === 'csv' ? csvFile(path, columns) : parquetFile(path, point, columns);
  let rows = 0;
  try {
    for (const page of table.pages()) {
      writer.append(page);
      rows += pageRows(page);
    }
  } catch (thrown) {
    writer.abort();
    throw thrown;
  }
  writer.finish();
  return { file, kind, point, rows };
}

function manifestOf(
  { name, format, machineOf, fromMs, toMs }: ExportOptions,
  files: readonly ExportedFile[],
  recordings: readonly RecordingEntry[],
) {
  const bearings: Record<string, RecordedBearing> = {};
  const withMachine = recordings.map((entry) => {
    const { speedRpm, bearing } = machineOf(entry.point);
    const { machine, position } = pointParts(entry.point);
    const key = `${machine}.${position}`;
    if (bearing !== undefined) {
      const { designation, ...geometry } = bearing;
      bearings[key] = { ...(designation === undefined ? {} : { model: designation }), ...geometry };
    }
    return {
      ...entry,
      ...(speedRpm === undefined ? {} : { speedRpm }),
      ...(bearing === undefined ? {} : { bearing: key }),
    };
  });
  const tables = files.filter(({ kind }) => kind === 'readings' && format === 'csv');
  return {
    format: 'recording-set/1',
    name,
    notes: 'Exported from a gateway. Times are UTC; files lists what else is in the folder.',
    ...(Number.isFinite(fromMs) ? { from: new Date(fromMs).toISOString() } : {}),
    to: new Date(toMs).toISOString(),
    ...(Object.keys(bearings).length === 0 ? {} : { bearings }),
    recordings: withMachine,
    tables: tables.map(({ file, point }) => ({
      file,
      separator: ',',
      time: { column: 'time', format: 'iso' },
      points: [{ column: 'value', point, unitColumn: 'unit', qualityColumn: 'quality' }],
    })),
    files,
  };
}

/** @returns whether the folder was there */
function requireEmpty(folder: string): boolean {
  const entries = entriesOf(folder);
  if (entries === undefined) return false;
  if (entries.length === 0) return true;
  throw new SmEdgeError('USAGE', `${folder} is not empty`, { hint: 'name a new folder' });
}

/** Undefined where there is no such folder. */
function entriesOf(folder: string): string[] | undefined {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    // That it is a file, or below one, is said when it is to be made.
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw thrown;
  }
}
