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

describe.skipIf(!has('cwru'))('CWRU', () => {
  it.each([0.95, 1, 1.05])('with a nameplate off by %d', { timeout: 120_000 }, async (nameplate) => {
    const counts = await verdicts('cwru', nameplate);
    expect(counts.get('normal normal')).toEqual({ normal: 4 });
    expect(counts.get('de12k inner')!.inner).toBeGreaterThanOrEqual(6);
    expect(counts.get('de12k outer')!.outer).toBeGreaterThanOrEqual(12);
    expect(counts.get('de12k ball')!.ball).toBeGreaterThanOrEqual(nameplate === 1 ? 4 : 2);
    expect(counts.get('fe12k inner')!.inner).toBe(3);
    expect(counts.get('fe12k outer')!.outer).toBeGreaterThanOrEqual(5);
  });
});

describe.skipIf(!has('hit-sm'))('HIT-SM', () => {
  it.each([0.94, 1, 1.07])('with a nameplate off by %d', { timeout: 120_000 }, async (nameplate) => {
    const counts = await verdicts('hit-sm', nameplate);
    expect(Object.fromEntries(counts)).toEqual({
      'mfs inner': { inner: 9 },
      'mfs outer': { outer: 9 },
      'mfs normal': { normal: 3 },
    });
  });
});

describe.skipIf(!has('unbalance'))('unbalance', () => {
  it.each([0.94, 1, 1.07])('with a nameplate off by %d', { timeout: 120_000 }, async (nameplate) => {
    const counts = await verdicts('unbalance', nameplate);
    expect(Object.fromEntries(counts)).toEqual({
      'train normal': { normal: 20 },
      'train unbalance_1': { unbalance: 20 },
      'train unbalance_2': { unbalance: 20 },
    });
  });
});

describe.skipIf(!has('ims'))('IMS', () => {
  it('names the developed outer race and no other one', { timeout: 120_000 }, async () => {
    const counts = await verdicts('ims', 1);
    expect(counts.get('raw outer (bearing 1, developed; see README)')).toEqual({ outer: 1 });
    expect(counts.get('raw not the failed bearing')).toEqual({ normal: 3 });
    expect(counts.get('raw machine stopped (post-shutdown)')).toEqual({ unknown: 4 });
    expect(counts.get('raw normal (start of the run)')!.normal).toBeGreaterThanOrEqual(71);
  });
});
