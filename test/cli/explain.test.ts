import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { caseDocument, healthyDocument } from '#sm/pipeline/cases/case-record.js';
import { fitScaler } from '#sm/scoring/learning/scaler.js';
import { encodeWav } from '#sm/signals/wav.js';
import { sm } from '../support/cli.js';
import { smEdge } from '../support/daemon.js';
import { SMALL_SET_RATE_HZ, writeSmallSet } from '../support/small-set.js';
import { StoreFolder } from '../support/store.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sm-edge-explain-'));
  writeSmallSet(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const about = [
  '--rate',
  String(SMALL_SET_RATE_HZ),
  '--full-scale',
  '4',
  '--speed',
  '1794',
  '--bearing',
  '6205',
];

it('sm-edge explain: shares that sum to the score minus the base, the nearest known cases, and the physics', async () => {
  const file = join(folder, 'faulted.wav');
  const { code, stdout, stderr } = await smEdge(['explain', file, ...about, '--against', folder, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const answer = JSON.parse(stdout);
  expect(answer).toMatchObject({
    model: 'vibration-anomaly/1',
    diagnosis: { fault: 'outer' },
  });
  const sum = answer.features.reduce(
    (total: number, { contribution }: { contribution: number }) => total + contribution,
    0,
  );
  expect(Math.abs(sum - (answer.score - answer.base))).toBeLessThan(1e-3);
  // The recording itself is no known case of itself.
  expect(answer.nearest).toEqual([expect.objectContaining({ label: 'normal' })]);
  expect(answer.sentence).toMatch(/the physics of its vibration says outer/);

  const plain = await smEdge(['explain', join(folder, 'a.wav'), ...about]);
  expect(plain).toMatchObject({ code: 0, stdout: expect.stringContaining('a.wav: normal') });
  expect(plain.stdout).toContain('from the usual');
});

it('sm-edge explain --state: by the threshold of the operating state, and no other name is taken', async () => {
  const bundled = resolve(import.meta.dirname, '../../models/vibration-anomaly/1');
  const copy = join(folder, 'models', 'vibration-anomaly', '9');
  cpSync(bundled, copy, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'));
  manifest.version = '9';
  manifest.threshold.states = { full: { value: 0.001 } };
  writeFileSync(join(copy, 'manifest.json'), JSON.stringify(manifest));
  const args = ['explain', join(folder, 'faulted.wav'), ...about, '--dir', join(folder, 'models')];
  const full = await smEdge([...args, '--model', 'vibration-anomaly/9', '--state', 'full']);
  expect(full.stdout).toMatch(/faulted.wav: ANOMALOUS, .* \(limit 0.001 in the state full\)/);
  const any = await smEdge([...args, '--model', 'vibration-anomaly/9']);
  expect(any.stdout).toMatch(/faulted.wav: normal, .* \(limit 1 over all states; full 0.001\)/);
  const wrong = await smEdge([...args, '--model', 'vibration-anomaly/9', '--state', 'ful']);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toMatch(/vibration-anomaly\/9 knows no operating state ful[\s\S]*It knows full\./);
});

it('sm-edge explain --data compares with the cases that the gateway knows', async () => {
  const features = async (file: string): Promise<Record<string, number>> => {
    const { stdout } = await smEdge(['features', join(folder, file), ...about, '--json']);
    return JSON.parse(stdout).blocks[0].features;
  };
  const point = 'pump-1.de.acceleration';
  const made = await StoreFolder.create();
  const store = await made.open();
  const usual = await features('a.wav');
  const scaler = fitScaler([usual, usual, usual], ['rms', 'kurtosis', 'crestFactor']);
  await store.write({
    documents: [
      healthyDocument({
        format: 'sm-edge-healthy/1',
        point,
        scaler: JSON.parse(JSON.stringify(scaler)),
        windows: [{ timeMs: 1_000, state: 'running', features: usual }],
      }),
      caseDocument({
        ...{ format: 'sm-edge-case/1', id: '1', point, machineClass: 'machine', quantity: 'acceleration' },
        ...{ label: 'outer-race', cause: 'Outer race', fromMs: 2_000, toMs: 3_000, alarm: 'odd', by: 'anna' },
        ...{ windows: 1, features: await features('faulted.wav'), examples: [] },
      }),
    ],
  });
  const args = ['explain', join(folder, 'faulted.wav'), ...about, '--data', made.folder];
  const { code, stdout } = await smEdge([...args, '--point', point, '--json']);
  expect(code).toBe(0);
  const [healthy, faulty] = JSON.parse(stdout).nearest;
  expect(healthy).toMatchObject({ label: 'normal', file: `${point} 1970-01-01T00:00:01.000Z` });
  expect(faulty).toMatchObject({ label: 'outer-race' });
  expect(faulty.distance).toBeLessThan(healthy.distance);
  expect(await smEdge(args)).toMatchObject({ code: 2, stderr: expect.stringContaining('--point') });
  const other = await smEdge([...args, '--point', 'fan-1.casing.acceleration']);
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('never learned') });
});

it('sm-edge explain: a model that does not fit is refused with the difference', async () => {
  const refused = await smEdge(['explain', join(folder, 'a.wav'), '--rate', '4000']);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/sampleRateHz: needs 10000 to 51200 Hz, has 4000 Hz/),
  });
  expect(await smEdge(['explain', join(folder, 'a.wav'), '--model', 'nobody'])).toMatchObject({ code: 1 });
});

it('sm-edge explain: a flat line is no vibration, and not the worst fault of all', async () => {
  const flat = encodeWav({
    samples: new Float32Array(40_000).fill(0.2),
    channels: 1,
    sampleRateHz: SMALL_SET_RATE_HZ,
  });
  writeFileSync(join(folder, 'flat.wav'), flat);
  const { code, err } = await sm('explain', join(folder, 'flat.wav'), ...about);
  expect(code).toBe(1);
  expect(err).toContain('flat.wav is a flat line');
  expect(err).toContain('Look at the sensor and its cable');
});
