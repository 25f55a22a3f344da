import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { diagnose } from '#sm/diagnosis/diagnose.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { optionalPeer } from '../support/require.js';

/** Verdicts on real recordings, from the nameplate alone. Nothing is fitted to them here: these are counts. */
const DATA = process.env.SM_EDGE_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));

const has = (set: string) =>
  optionalPeer(`recordings ${DATA}/${set}`, existsSync(`${DATA}/${set}`), 'set SM_EDGE_DATA to their folder');

/** Count of verdicts by what the manifest says, the folder in front of it. */
async function verdicts(name: string, nameplate: number): Promise<Map<string, Record<string, number>>> {
  const set = await openRecordingSet(`${DATA}/${name}`);
  const counts = new Map<string, Record<string, number>>();
  for await (const recording of set.recordings()) {
    const blocks = recording.blocks.map((block) => block.samples);
    const { fault } = await diagnose(blocks, {
      sampleRateHz: recording.sampleRateHz,
      blockLength: blocks[0]!.length,
      unit: recording.unit,
      quantity: recording.quantity,
      ...(recording.speedRpm === undefined ? {} : { speedRpm: recording.speedRpm * nameplate }),
      ...(recording.bearing === undefined ? {} : { bearing: recording.bearing }),
    });
    const key = `${recording.file.split('/')[0]} ${recording.label}`;
    const count = counts.get(key) ?? {};
    count[fault] = (count[fault] ?? 0) + 1;
    counts.set(key, count);
  }
  return counts;
}

/** The declared speed, and up to 7 % beside it: the true one is found, or fault and speed are searched together. */
const NAMEPLATES = [0.93, 0.96, 1, 1.04, 1.07];

describe.skipIf(!has('cwru'))('CWRU', () => {
  it.each(NAMEPLATES)('with a nameplate off by %d', async (nameplate) => {
    const counts = await verdicts('cwru', nameplate);
    expect(counts.get('normal normal')).toEqual({ normal: 4 });
    // The records that are called normal show nothing at the fault frequency: see docs/diagnosis.md.
    expect(counts.get('de12k inner')).toEqual({ inner: 6, normal: 2 });
    expect(counts.get('de12k outer')).toEqual({ outer: 12, normal: 2 });
    const { ball, ...rest } = counts.get('de12k ball')!;
    expect(ball).toBeGreaterThanOrEqual(4);
    expect(Object.keys(rest)).toEqual(['normal']);
    expect(counts.get('fe12k inner')).toEqual({ inner: 3 });
    expect(counts.get('fe12k outer')).toEqual({ outer: 5, normal: 1 });
    expect(counts.get('fe12k ball')).toEqual({ normal: 2, unknown: 1 });
  });
});

describe.skipIf(!has('hit-sm'))('HIT-SM', () => {
  it.each(NAMEPLATES)('with a nameplate off by %d', async (nameplate) => {
    const counts = await verdicts('hit-sm', nameplate);
    expect(Object.fromEntries(counts)).toEqual({
      'mfs inner': { inner: 9 },
      'mfs outer': { outer: 9 },
      'mfs normal': { normal: 3 },
    });
  });
});

describe.skipIf(!has('unbalance'))('unbalance', () => {
  it.each(NAMEPLATES)('with a nameplate off by %d', async (nameplate) => {
    const counts = await verdicts('unbalance', nameplate);
    expect(Object.fromEntries(counts)).toEqual({
      'train normal': { normal: 20 },
      'train unbalance_1': { unbalance: 20 },
      'train unbalance_2': { unbalance: 20 },
    });
  });
});

describe.skipIf(!has('ims'))('IMS', () => {
  it.each(NAMEPLATES)('with a nameplate off by %d', async (nameplate) => {
    const counts = await verdicts('ims', nameplate);
    expect(counts.get('raw outer (bearing 1, developed; see README)')).toEqual({ outer: 1 });
    expect(counts.get('raw not the failed bearing')).toEqual({ normal: 3 });
    expect(counts.get('raw machine stopped (post-shutdown)')).toEqual({ unknown: 4 });
    const { normal, ...rest } = counts.get('raw normal (start of the run)')!;
    expect(normal).toBeGreaterThanOrEqual(71);
    expect(Object.keys(rest).filter((fault) => fault !== 'unknown')).toEqual([]);
  });
});
