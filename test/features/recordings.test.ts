import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { createExtractor } from '#sm/features/extractor.js';
import type { AnalysisSpec } from '#sm/features/spec.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { optionalPeer } from '../support/require.js';
import { requirePython, runPython } from '../support/venv.js';

/** Features of real recordings against scipy and librosa, computed at the time of the test. */
const DATA = process.env.SM_EDGE_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../../scripts/reference/reference.py', import.meta.url));
const FILES = [
  ['cwru', 'normal/normal_load0_97_DE.wav'],
  ['cwru', 'de12k/inner_014_load0_169_DE.wav'],
  ['hit-sm', 'mfs/outer_8deg_600rpm.wav'],
  ['ims', 'raw/test2/2004.02.19.02.42.39_ch1.wav'],
  ['unbalance', 'train/unbalance_2_5.wav'],
  ['mimii', 'fan_id00/normal_id_00_00000002.wav'],
] as const;

const ready =
  optionalPeer(`recordings in ${DATA}`, existsSync(DATA), 'set SM_EDGE_DATA to their folder') &&
  requirePython('scipy', 'librosa');

describe.skipIf(!ready)('real recordings', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-reference-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(FILES)('%s/%s has the features of scipy and librosa', async (name, file) => {
    const set = await openRecordingSet(path.join(DATA, name));
    const entry = set.manifest.recordings.find((candidate) => candidate.file === file)!;
    const recording = await set.readRecording(entry);
    const { samples } = recording.blocks[0]!;
    const { bearing, speedRpm } = recording;
    const { multipliers: _, ...geometry } = bearing ?? {};
    const spec = {
      sampleRateHz: recording.sampleRateHz,
      blockLength: samples.length,
      unit: recording.unit,
      quantity: recording.quantity,
      ...(speedRpm === undefined ? {} : { speedRpm }),
      ...(bearing === undefined ? {} : { bearing: geometry as AnalysisSpec['bearing'] & object }),
    } satisfies AnalysisSpec;
    const extractor = await createExtractor(spec);
    const ours = extractor.extract(samples);
    extractor.close();
    const specFile = path.join(folder, 'spec.json');
    writeFileSync(specFile, JSON.stringify({ ...spec, fullScale: entry.fullScale }));
    const args = [SCRIPT, 'features', path.join(DATA, name, file), specFile];
    const reference = JSON.parse(await runPython(args)) as Record<string, number>;
    expect(Object.keys(ours).sort()).toEqual(Object.keys(reference).sort());
    for (const [feature, value] of Object.entries(reference)) {
      const error = Math.abs(ours[feature]! - value) / Math.max(Math.abs(value), 1e-12);
      expect(error, `${feature}: ${ours[feature]} against ${value}`).toBeLessThan(1e-5);
    }
  });
});
