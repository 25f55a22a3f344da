import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { SmEdgeError } from '../../base/errors.js';
import { POINT_NAME } from '../../signals/point.js';
import type { Reading } from '../../signals/reading.js';
import { readTable } from '../../signals/recording-table.js';
import { readWav } from '../../signals/wav.js';
import type { SignalBatch } from '../part.js';
import { createDecoder } from '../payloads/index.js';
import type { FileConfig } from './config.js';
import type { NameParts } from './file-pattern.js';

/** Pieces in which a file goes to the store, so that none of them is large. */
const PIECE_SAMPLES = 65_536;
const PIECE_READINGS = 5_000;

type FileOf<K extends FileConfig['kind']> = Extract<FileConfig, { kind: K }>;

/**
 * What a file holds, piece by piece. Every time comes from the file, its name or its time of modification, so that
 * a file that is read again gives the same values and is stored once.
 */
export function contentsOf(
  file: string,
  config: FileConfig,
  parts: NameParts,
  modifiedMs: number,
): AsyncGenerator<SignalBatch> {
  const pointOf = (template: string, channel = ''): string => {
    const point = template.replace(/\{([A-Za-z0-9]+)\}/g, (_, name: string) =>
      name === 'channel' ? channel : (parts.names[name] ?? ''),
    );
    if (POINT_NAME.test(point)) return point;
    throw new SmEdgeError('FILE_POINT', `${basename(file)} makes no name for a point: ${point}`);
  };
  if (config.kind === 'wav') return wavPieces(file, config, parts, modifiedMs, pointOf);
  if (config.kind === 'table') return tablePieces(file, config, pointOf);
  return payloadPieces(file, config, parts, modifiedMs, pointOf);
}

type PointOf = (template: string, channel?: string) => string;

async function* wavPieces(
  file: string,
  config: FileOf<'wav'>,
  { timeMs }: NameParts,
  modifiedMs: number,
  pointOf: PointOf,
): AsyncGenerator<SignalBatch> {
  const { sampleRateHz, channels, samples } = await readWav(file);
  const names = config.channels ?? Array.from({ length: channels }, (_, index) => String(index + 1));
  if (names.length !== channels || (channels > 1 && !config.point.includes('{channel}')))
    throw new SmEdgeError('FILE_CHANNELS', `${basename(file)} has ${channels} channels`, {
      hint: 'declare `channels` with a name for each, and {channel} in the point',
    });
  const points = names.map((name) => pointOf(config.point, name));
  const frames = samples.length / channels;
  // A recorder writes the last sample when it closes the file.
  const startMs = timeMs ?? modifiedMs - (frames * 1000) / sampleRateHz;
  for (let from = 0; from < frames; from += PIECE_SAMPLES) {
    const count = Math.min(PIECE_SAMPLES, frames - from);
    yield {
      blocks: points.map((point, channel) => ({
        point,
        startTimeMs: startMs + (from * 1000) / sampleRateHz,
        sampleRateHz,
        unit: config.unit,
        samples: Float32Array.from(
          { length: count },
          (_, i) => samples[(from + i) * channels + channel]! * config.fullScale,
        ),
        quality: 'good' as const,
      })),
    };
  }
}

async function* tablePieces(
  file: string,
  config: FileOf<'table'>,
  pointOf: PointOf,
): AsyncGenerator<SignalBatch> {
  const { separator, time } = config;
  const points = config.points.map(({ column, point, unit }) => ({ column, point: pointOf(point), unit }));
  let readings: Reading[] = [];
  for await (const row of readTable(file, { file: basename(file), separator, time, points })) {
    readings.push(...row.readings);
    if (readings.length >= PIECE_READINGS) {
      yield { readings };
      readings = [];
    }
  }
  if (readings.length > 0) yield { readings };
}

async function* payloadPieces(
  file: string,
  config: FileOf<'payload'>,
  { timeMs }: NameParts,
  modifiedMs: number,
  pointOf: PointOf,
): AsyncGenerator<SignalBatch> {
  const decoder = createDecoder(config.payload, (channel) => pointOf(config.point, channel));
  const arrival = { timeMs: timeMs ?? modifiedMs, repeated: false };
  const { readings, blocks } = decoder.decode(await readFile(file), arrival);
  yield { readings, blocks };
}
