import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pointParts } from '../../signals/point.js';
import type { RecordingEntry } from '../../signals/recording-manifest.js';
import { encodeWav } from '../../signals/wav.js';
import { clampedUs } from '../chunks/queries.js';
import type { BlockRow } from '../rows.js';
import type { SqliteDatabase } from '../sqlite.js';
import type { WaveformRecord } from '../tables.js';
import { toBlock } from '../waveforms/waveform-rows.js';
import { isoTime } from './csv-file.js';

/** Waveforms read at a time. */
const PAGE = 64;
/** Samples of one file at most: 64 MiB. */
const MAX_SAMPLES = 2 ** 24;

type StoredBlock = WaveformRecord & { readonly id: number };

/**
 * Writes the waveforms of a point as WAV files of 32-bit floats, bit for bit as they are stored. Blocks that follow
 * each other without a gap become one file. Gives the entry of each for the manifest of a recording set.
 */
export function* wavFiles(
  db: SqliteDatabase,
  point: string,
  span: { readonly fromMs: number; readonly toMs: number },
  folder: string,
): Generator<RecordingEntry & { readonly samples: number }> {
  let run: BlockRow[] = [];
  const names = new Set<string>();
  for (const block of blocksOf(db, point, span)) {
    if (run.length > 0 && !follows(run, block)) {
      yield writeRun(run, folder, names);
      run = [];
    }
    run.push(block);
  }
  if (run.length > 0) yield writeRun(run, folder, names);
}

function* blocksOf(
  db: SqliteDatabase,
  point: string,
  span: { readonly fromMs: number; readonly toMs: number },
): Generator<BlockRow> {
  const page = db.prepare<[string, number, number, number, number], StoredBlock>(
    `SELECT w.* FROM waveforms w JOIN points p ON p.id = w.point_id
     WHERE p.name = ? AND w.start_us < ? AND w.start_us >= ? AND (w.start_us, w.id) > (?, ?)
     ORDER BY w.start_us, w.id LIMIT ${PAGE}`,
  );
  let after: [startUs: number, id: number] = [clampedUs(span.fromMs) - 1, 0];
  for (;;) {
    const rows = page.all(point, clampedUs(span.toMs), after[0], ...after);
    for (const row of rows) yield toBlock(point, row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = [last.start_us, last.id];
  }
}

/** Whether a block begins within half a sample of where the run ends, and is of the same kind. */
function follows(run: readonly BlockRow[], block: BlockRow): boolean {
  const last = run[run.length - 1]!;
  const endMs = last.startTimeMs + (last.samples.length * 1000) / last.sampleRateHz;
  const total = run.reduce((sum, { samples }) => sum + samples.length, block.samples.length);
  return (
    total <= MAX_SAMPLES &&
    Math.abs(block.startTimeMs - endMs) <= Math.max(500 / block.sampleRateHz, 0.001) &&
    block.sampleRateHz === last.sampleRateHz &&
    block.unit === last.unit &&
    block.quality === last.quality &&
    block.trigger === last.trigger &&
    block.eventId === last.eventId
  );
}

function writeRun(run: readonly BlockRow[], folder: string, names: Set<string>) {
  const [first] = run as [BlockRow];
  const { point, sampleRateHz, unit, quality, reason, trigger, eventId } = first;
  const samples = new Float32Array(run.reduce((sum, block) => sum + block.samples.length, 0));
  let at = 0;
  for (const block of run) {
    samples.set(block.samples, at);
    at += block.samples.length;
  }
  const startedAt = isoTime(Math.round(first.startTimeMs * 1000));
  const stamp = startedAt.replace(/[:.]/g, '-');
  let file = join('waveforms', point, `${stamp}.wav`);
  for (let number = 2; names.has(file); number++) file = join('waveforms', point, `${stamp}-${number}.wav`);
  names.add(file);
  mkdirSync(join(folder, 'waveforms', point), { recursive: true, mode: 0o750 });
  // The header takes whole hertz; the manifest has the rate as it is.
  const wav = encodeWav({ sampleRateHz: Math.max(1, Math.round(sampleRateHz)), channels: 1, samples });
  writeFileSync(join(folder, file), wav, { flag: 'wx', mode: 0o640 });
  return {
    file,
    point,
    quantity: pointParts(point).quantity,
    unit,
    sampleRateHz,
    startedAt,
    samples: samples.length,
    quality,
    ...(reason === undefined ? {} : { reason }),
    ...(trigger === undefined ? {} : { trigger }),
    ...(eventId === undefined ? {} : { eventId }),
  };
}
