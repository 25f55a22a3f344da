import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { seededRandom } from '#sm/base/random.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { optionalPeer } from './require.js';

/** Real recordings, where somebody put them. */
export const DATA_DIR = process.env.SM_EDGE_DATA ?? resolve(import.meta.dirname, '../../../shared/data');

/** Is this set of real recordings here? Says so where it is not. */
export const hasRecordings = (name: string): boolean =>
  optionalPeer(
    `the recording set ${name}`,
    existsSync(join(DATA_DIR, name, 'manifest.json')),
    'SM_EDGE_DATA=FOLDER',
  );

/** A signal that goes over a wire. */
export interface WireSignal {
  readonly name: string;
  readonly sampleRateHz: number;
  readonly samples: Float32Array;
}

/** The recordings of CWRU where they are; otherwise a small set of the same form, synthesised. */
export async function wireSignals(): Promise<readonly WireSignal[]> {
  if (!hasRecordings('cwru')) return synthesised();
  const set = await openRecordingSet(join(DATA_DIR, 'cwru'));
  const signals: WireSignal[] = [];
  for await (const { file, sampleRateHz, blocks } of set.recordings()) {
    signals.push({ name: file.replace(/^.*\/|\.wav$/g, ''), sampleRateHz, samples: blocks[0]!.samples });
  }
  return signals;
}

function synthesised(): WireSignal[] {
  const random = seededRandom(42);
  return Array.from({ length: 6 }, (_, index) => ({
    name: `synthetic-${index}`,
    sampleRateHz: index % 2 === 0 ? 12_000 : 48_000,
    samples: Float32Array.from(
      { length: 40_000 + 777 * index },
      (_, i) => 0.3 * Math.sin(i * 0.0157 * (index + 1)) + 0.1 * (random() - 0.5),
    ),
  }));
}
