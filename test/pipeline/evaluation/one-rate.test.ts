import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { resamplePoly } from '#sm/features/resample.js';
import { evaluate } from '#sm/pipeline/evaluation/evaluate.js';
import { takenDown } from '#sm/pipeline/evaluation/one-rate.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { encodeWav } from '#sm/signals/wav.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-rates-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const RATE_HZ = 24_000;
const SHAFT_HZ = 30;

/** Four seconds of a machine whose sensor stands 1 g off zero; worn, it rings at 4 kHz 107 times a second. */
function machine(seed: number, isWorn: boolean): Float64Array {
  const random = seededRandom(seed);
  let sinceShockS = 1;
  return Float64Array.from({ length: 4 * RATE_HZ }, (_, i) => {
    sinceShockS += 1 / RATE_HZ;
    if (isWorn && sinceShockS > 1 / 107.3) sinceShockS = 0;
    const ringing = isWorn ? Math.exp(-900 * sinceShockS) * Math.sin(2 * Math.PI * 4_000 * sinceShockS) : 0;
    return (
      1 + 0.2 * Math.sin((2 * Math.PI * SHAFT_HZ * i) / RATE_HZ) + 0.05 * gaussian(random) + 0.5 * ringing
    );
  });
}

/** Writes recordings of one point, each at its rate. */
function writeSet(
  recordings: readonly { file: string; label: string; seed: number; rateHz: number }[],
  state?: string,
): void {
  for (const { file, label, seed, rateHz } of recordings) {
    const signal = machine(seed, label !== 'normal');
    // The middle: the ends of what was resampled are no signal of a machine.
    const samples = Float32Array.from(resamplePoly(signal, rateHz, RATE_HZ)).subarray(200, -200);
    writeFileSync(
      join(folder, file),
      encodeWav({ samples: samples.map((x) => x / 4), channels: 1, sampleRateHz: rateHz }),
    );
  }
  const manifest = {
    format: 'recording-set/1',
    name: 'rates',
    recordings: recordings.map(({ file, label }) => ({
      ...{ file, label, point: 'rig.de.acceleration', unit: 'g', fullScale: 4, speedRpm: 60 * SHAFT_HZ },
      ...(state === undefined ? {} : { state }),
    })),
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
}

const healthy = (rateHz: number, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ file: `healthy-${from + i}.wav`, label: 'normal', seed: from + i, rateHz },
  }));
const worn = (rateHz: number, seed: number) => ({ file: `worn-${seed}.wav`, label: 'outer', seed, rateHz });

const evaluated = async () => evaluate({ set: await openRecordingSet(folder), fit: 'beginning' });

describe('recordings of one point at several sample rates', () => {
  it.each([
    ['a half', 12_000],
    ['two thirds', 16_000],
  ])(
    'are compared at the lower one where nothing is healthy at it, each judged once: %s',
    async (_, lowHz) => {
      writeSet([...healthy(RATE_HZ, 1, 4), worn(RATE_HZ, 21), worn(lowHz, 22), worn(lowHz, 23)]);
      const { rocAuc, confusion, notes, perRecording } = await evaluated();
      expect(notes).toEqual([
        `rig.de.acceleration at ${lowHz} Hz in g: nothing is healthy at this rate; compared at ${lowHz} Hz with healthy recordings of 24000 Hz`,
      ]);
      expect(perRecording.map(({ file }) => file).sort()).toEqual(
        [1, 2, 3, 4].map((i) => `healthy-${i}.wav`).concat(['worn-21.wav', 'worn-22.wav', 'worn-23.wav']),
      );
      expect({ rocAuc, confusion }).toEqual({ rocAuc: 1, confusion: { tp: 3, fp: 0, tn: 4, fn: 0 } });
    },
  );

  it('are compared so in their operating state too', async () => {
    writeSet([...healthy(RATE_HZ, 1, 4), worn(12_000, 22)], 'full');
    const { confusion, perRecording } = await evaluated();
    expect(perRecording).toHaveLength(5);
    expect(perRecording.find(({ file }) => file === 'worn-22.wav')).toMatchObject({
      anomalous: true,
      state: 'full',
    });
    expect(confusion).toEqual({ tp: 1, fp: 0, tn: 4, fn: 0 });
  });

  it('are taken down to the healthy ones where these are of the lower rate', async () => {
    writeSet([...healthy(12_000, 1, 4), worn(12_000, 21), worn(RATE_HZ, 22)]);
    const { rocAuc, confusion, notes } = await evaluated();
    expect(notes[0]).toContain('at 24000 Hz in g: nothing is healthy at this rate; compared at 12000 Hz');
    expect({ rocAuc, confusion }).toEqual({ rocAuc: 1, confusion: { tp: 2, fp: 0, tn: 4, fn: 0 } });
  });

  it('are each compared at their own where each has healthy ones', async () => {
    writeSet([...healthy(RATE_HZ, 1, 3), worn(RATE_HZ, 21), ...healthy(12_000, 4, 3), worn(12_000, 22)]);
    const { confusion, notes } = await evaluated();
    expect(notes).toEqual([]);
    expect(confusion).toEqual({ tp: 2, fp: 0, tn: 6, fn: 0 });
  });

  it('are left at their own where one rate is far above the other', async () => {
    writeSet([...healthy(RATE_HZ, 1, 3)]);
    const set = await openRecordingSet(folder);
    const recording = await set.readRecording(set.manifest.recordings[0]!);
    expect(takenDown(recording, 100)).toBeUndefined();
    const lower = takenDown(recording, 12_000)!;
    expect(lower.sampleRateHz).toBe(12_000);
    // What the filter saw only in part is left out, and the time of the first sample says so.
    expect(lower.blocks[0]!.samples).toHaveLength(Math.ceil(recording.blocks[0]!.samples.length / 2) - 32);
    expect(lower.blocks[0]!.startTimeMs).toBeCloseTo(recording.blocks[0]!.startTimeMs + 16 / 12, 6);
    // No step at the ends, though the sensor stands 1 g off.
    expect(Math.min(...lower.blocks[0]!.samples)).toBeGreaterThan(0.4);
  });
});
