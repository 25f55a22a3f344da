import { readFile } from 'node:fs/promises';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import { pointParts } from './point.js';
import {
  type RecordedBearing,
  type RecordingEntry,
  type RecordingSetManifest,
  recordingSetSchema,
  type TableEntry,
} from './recording-manifest.js';
import { fileUnreadable, readTable, type TableRow } from './recording-table.js';
import { parseIso } from './time-format.js';
import { readWav } from './wav.js';

export type { RecordedBearing, RecordingEntry, RecordingSetManifest, TableEntry, TableRow };

/** Samples taken without a break. */
export interface RecordedBlock {
  /** Seconds after the start of the recording. */
  readonly offsetS: number;
  /** Milliseconds since the Unix epoch; a recording without `startedAt` starts at 0. */
  readonly startTimeMs: number;
  /** Calibrated, in the recording's unit. */
  readonly samples: Float32Array;
}

/** One recording, read and calibrated. */
export interface Recording {
  readonly entry: RecordingEntry;
  readonly file: string;
  readonly point: string;
  readonly quantity: string;
  readonly unit: string;
  readonly sampleRateHz: number;
  /** What is odd about it, and what was made of that. */
  readonly doubts: readonly string[];
  readonly speedRpm: number | undefined;
  readonly bearing: RecordedBearing | undefined;
  readonly label: string | undefined;
  /** The snapshots in order of time, or the whole recording as one block. */
  readonly blocks: readonly RecordedBlock[];
}

/** A folder in the form `recording-set/1`. */
export interface RecordingSet {
  readonly folder: string;
  readonly manifest: RecordingSetManifest;
  readRecording(entry: RecordingEntry): Promise<Recording>;
  /** Recordings in the order of the manifest, one in memory at a time. */
  recordings(): AsyncGenerator<Recording>;
  /** Rows of a table in the order of the file. */
  readTable(entry: TableEntry): AsyncGenerator<TableRow>;
}

const HINT = 'A recording set is a folder with a manifest.json of format recording-set/1.';
const MAX_MANIFEST_BYTES = 256 * 2 ** 20;

/** Opens a recording set. Throws `RECORDING_SET_MISSING` or `RECORDING_SET_FORMAT`. */
export async function openRecordingSet(folder: string): Promise<RecordingSet> {
  const manifest = parseManifest(await readManifest(folder), folder);
  const readRecording = (entry: RecordingEntry) => loadRecording(folder, manifest, entry);
  return {
    folder,
    manifest,
    readRecording,
    async *recordings() {
      for (const entry of manifest.recordings) yield await readRecording(entry);
    },
    readTable: (entry) => readTable(inside(folder, entry.file), entry),
  };
}

async function readManifest(folder: string): Promise<string> {
  try {
    const text = await readFile(join(folder, 'manifest.json'), 'utf8');
    if (text.length <= MAX_MANIFEST_BYTES) return text;
  } catch (cause) {
    throw new SmEdgeError('RECORDING_SET_MISSING', `no manifest.json in ${folder}`, { hint: HINT, cause });
  }
  throw new SmEdgeError('RECORDING_SET_FORMAT', `${folder}/manifest.json is larger than 256 MiB`, {
    hint: HINT,
  });
}

function parseManifest(text: string, folder: string): RecordingSetManifest {
  const invalid = (why: string, cause?: unknown) =>
    new SmEdgeError('RECORDING_SET_FORMAT', `${folder}/manifest.json: ${why}`, { hint: HINT, cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid('it is no JSON', cause);
  }
  const parsed = recordingSetSchema.safeParse(json);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const { bearings, recordings, tables } = parsed.data;
  const twice = repeated(recordings.map(({ file }) => normalize(file)));
  if (twice !== undefined)
    throw invalid(`${twice} is named twice: each copy would be judged by the other one`);
  // One file may hold the columns of several machines, a table each.
  const columns = tables.flatMap(({ file, points }) =>
    [...new Set(points.map(({ point }) => point))].map((point) => `the point ${point} of ${normalize(file)}`),
  );
  const pointTwice = repeated(columns);
  if (pointTwice !== undefined)
    throw invalid(`${pointTwice} is named twice: each copy would be judged by the other one`);
  for (const { file, points } of tables) {
    const same = repeated(points.map(({ point }) => point));
    if (same !== undefined) throw invalid(`two columns of ${file} are the point ${same}`);
  }
  for (const { bearing, file } of recordings) {
    if (bearing !== undefined && bearings?.[bearing] === undefined)
      throw invalid(`recording ${file} names the bearing "${bearing}", which is not in bearings`);
  }
  return parsed.data;
}

/** The first that comes a second time. */
function repeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => {
    if (seen.has(name)) return true;
    seen.add(name);
    return false;
  });
}

/** The path of a file of the set; refuses one that leads out of the folder. */
function inside(folder: string, file: string): string {
  const path = normalize(file);
  if (isAbsolute(path) || path === '..' || path.startsWith(`..${sep}`))
    throw new SmEdgeError('RECORDING_SET_FORMAT', `${file} lies outside the recording set`, { hint: HINT });
  return join(folder, path);
}

async function loadRecording(
  folder: string,
  manifest: RecordingSetManifest,
  entry: RecordingEntry,
): Promise<Recording> {
  const path = inside(folder, entry.file);
  const audio = await readWav(path).catch((thrown) => {
    throw thrown instanceof SmEdgeError ? thrown : fileUnreadable(entry.file, path, thrown);
  });
  if (audio.channels !== 1)
    throw new SmEdgeError('WAV_FORMAT', `${entry.file} has ${audio.channels} channels, a recording has one`, {
      hint: 'Write one file per channel.',
    });
  const { samples } = audio;
  const fullScale = entry.fullScale ?? 1;
  if (fullScale !== 1) for (let i = 0; i < samples.length; i++) samples[i]! *= fullScale;
  return {
    entry,
    file: entry.file,
    point: entry.point,
    quantity: entry.quantity ?? pointParts(entry.point).quantity,
    unit: entry.unit ?? 'FS',
    sampleRateHz: entry.sampleRateHz ?? audio.sampleRateHz,
    doubts: rateDoubts(entry, audio.sampleRateHz),
    speedRpm: entry.speedRpm,
    bearing: entry.bearing === undefined ? undefined : manifest.bearings?.[entry.bearing],
    label: entry.label,
    blocks: cutSnapshots(entry, samples),
  };
}

/** A header says whole Hz: within one it is no other rate. */
const rateDoubts = ({ file, sampleRateHz: stated }: RecordingEntry, headerHz: number): string[] =>
  stated === undefined || Math.abs(stated - headerHz) < 1
    ? []
    : [`${file}: its header says ${headerHz} Hz; the ${stated} Hz of manifest.json are taken`];

function cutSnapshots(entry: RecordingEntry, samples: Float32Array): RecordedBlock[] {
  const startMs = entry.startedAt === undefined ? 0 : parseIso(entry.startedAt);
  if (Number.isNaN(startMs))
    throw new SmEdgeError('RECORDING_SET_FORMAT', `${entry.file}: "${entry.startedAt}" is no ISO 8601 time`, {
      hint: 'Write startedAt as 2026-11-21T09:30:00Z.',
    });
  if (entry.snapshots === undefined) return [{ offsetS: 0, startTimeMs: startMs, samples }];
  const { samples: length, offsetsS } = entry.snapshots;
  if (offsetsS.length * length !== samples.length)
    throw new SmEdgeError(
      'RECORDING_SET_FORMAT',
      `${entry.file}: ${offsetsS.length} snapshots of ${length} samples do not fit ${samples.length} samples`,
      { hint: 'snapshots.samples times the number of snapshots.offsetsS is what the file has to hold.' },
    );
  return offsetsS.map((offsetS, index) => ({
    offsetS,
    startTimeMs: startMs + Math.round(offsetS * 1000),
    samples: samples.subarray(index * length, (index + 1) * length),
  }));
}
