import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { defaultBlockLength } from '#sm/features/block-length.js';
import { createExtractor } from '#sm/features/extractor.js';
import type { FeatureVector } from '#sm/features/spec.js';
import { attribute, explainModel } from '#sm/scoring/explain.js';
import { featuresOf } from '#sm/scoring/manifest-inputs.js';
import { BUNDLED_MODELS_DIR, ModelStore, type StoredModel } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { BUILTIN_MODEL } from '#sm/scoring/selection.js';
import { trainBundledModel } from '#sm/scoring/training/bundled-model.js';
import { healthyFeatures } from '#sm/scoring/training/feature-table.js';
import { openRecordingSet } from '#sm/signals/recording-set.js';
import { patientClock } from '../support/clocks.js';
import { realRecordings } from '../support/data.js';
import { requirePython, runPython } from '../support/venv.js';

let dir: string;
let store: ModelStore;
let model: StoredModel;
const scorer = new Scorer({ clock: patientClock, metrics: new Metrics() });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-bundled-'));
  store = new ModelStore({
    bundledDir: BUNDLED_MODELS_DIR,
    localDir: join(dir, 'models'),
    quarantine: quarantine(patientClock),
    metrics: new Metrics(),
  });
  model = await store.resolve(BUILTIN_MODEL);
  await scorer.load(model);
});

afterAll(async () => {
  await scorer.close();
  await rm(dir, { recursive: true, force: true });
});

const scoresOf = async (rows: readonly FeatureVector[]): Promise<number[]> =>
  (await scorer.score(model.key, rows)).map(({ score }) => score);

describe('the bundled model', () => {
  it('stands its own quarantine, as every model that comes with the package', async () => {
    const { models, broken } = await store.list();
    expect(broken).toEqual([]);
    expect(models.map(({ key }) => key)).toEqual(['milling-failure/1', 'vibration-anomaly/1']);
    for (const bundled of models) {
      expect(bundled.origin).toBe('bundled');
      await quarantine(patientClock)(bundled.path, bundled.manifest);
      const card = await readFile(join(dirname(bundled.path), 'CARD.md'), 'utf8');
      expect(card).toContain(bundled.manifest.file.sha256);
    }
  });

  it('trained twice is the same to the byte', async () => {
    const [first, second] = [await trainBundledModel(30), await trainBundledModel(30)];
    expect(Buffer.from(first.model).equals(second.model)).toBe(true);
    expect(first.manifest).toEqual(second.manifest);
    expect(first.manifest.inputs).toEqual(model.manifest.inputs);
  });

  it('needs no feature that a point has only when its speed or bearing is known', async () => {
    const extractor = await createExtractor({
      sampleRateHz: 10_000,
      blockLength: 8192,
      unit: 'g',
      quantity: 'acceleration',
    });
    expect(extractor.names).toEqual(expect.arrayContaining([...featuresOf(model.manifest.inputs)]));
    extractor.close();
  });

  it('lets machines that it has not seen pass, and stops the same ones with a defect', async () => {
    const healthy = await healthyFeatures(seededRandom(99), 40, 1);
    const passed = await scoresOf(healthy);
    expect(passed.filter((score) => score > 1).length).toBeLessThanOrEqual(1);
    // What an impact each turn of a ball does to these features (Smith and Randall 2015: kurtosis 6 to 30).
    const faulty = healthy.map((row) => ({
      ...row,
      kurtosis: row.kurtosis! * 6,
      crestFactor: row.crestFactor! * 2,
      clearanceFactor: row.clearanceFactor! * 2.5,
      'band.2500-5000.rms': row['band.2500-5000.rms']! * 3,
    }));
    const stopped = await scoresOf(faulty);
    expect(stopped.filter((score) => score > 1).length).toBeGreaterThanOrEqual(38);
    stopped.forEach((score, i) => {
      expect(score).toBeGreaterThan(passed[i]!);
    });
  });

  it('says what each feature contributes: the shares sum to the score', async () => {
    const [row] = await healthyFeatures(seededRandom(5), 1, 1);
    const vector = { ...row!, kurtosis: 20 };
    const shares = (await scorer.contributions(model.key, vector))!;
    const [score] = await scoresOf([vector]);
    expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(score!, 4);
    const [reason] = explainModel(model.manifest, vector, (await attribute(scorer, model, vector)).values);
    expect(reason?.feature).toBe('kurtosis');
    expect(reason?.share).toBeGreaterThan(0.5);
  });
});

describe.skipIf(!requirePython('onnxruntime', 'numpy'))('in Python', () => {
  it('onnxruntime gives the same scores and contributions', async () => {
    const rows = await healthyFeatures(seededRandom(11), 20, 1);
    const features = featuresOf(model.manifest.inputs);
    const script = `
import json, sys, numpy as np, onnxruntime
rows = np.array(json.loads(sys.argv[2]), dtype=np.float32)
session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
score, shares = session.run(['score', 'contributions'], {'features': rows})
print(json.dumps({'score': score.tolist(), 'shares': shares[0].tolist()}))
`;
    const matrix = rows.map((row) => features.map((feature) => row[feature]));
    const there = JSON.parse(await runPython(['-c', script, model.path, JSON.stringify(matrix)]));
    const here = await scoresOf(rows);
    expect(there.score).toHaveLength(20);
    here.forEach((score, i) => {
      expect(Math.abs(score - there.score[i])).toBeLessThan(1e-5);
    });
    const shares = Object.values((await scorer.contributions(model.key, rows[0]!))!);
    shares.forEach((share, i) => {
      expect(Math.abs(share - there.shares[i])).toBeLessThan(1e-5);
    });
  });
});

interface Judged {
  readonly file: string;
  readonly label: string;
  readonly sampleRateHz: number;
  /** Median over the blocks. */
  readonly score: number;
}

/** Every recording of a set, cut as `replay` cuts it, by the median of its blocks' scores. */
async function judge(folder: string): Promise<Judged[]> {
  const judged: Judged[] = [];
  const set = await openRecordingSet(folder);
  for await (const recording of set.recordings()) {
    const { sampleRateHz, speedRpm, blocks, file, label = '' } = recording;
    const blockLength = Math.min(
      defaultBlockLength(sampleRateHz, speedRpm),
      2 ** Math.floor(Math.log2(blocks[0]!.samples.length)),
    );
    const extractor = await createExtractor({
      sampleRateHz,
      blockLength,
      unit: 'g',
      quantity: 'acceleration',
    });
    const rows: FeatureVector[] = [];
    for (const { samples } of blocks)
      for (let at = 0; at + blockLength <= samples.length; at += blockLength)
        rows.push(extractor.extract(samples.subarray(at, at + blockLength)));
    extractor.close();
    const scores = (await scoresOf(rows)).sort((a, b) => a - b);
    judged.push({ file, label, sampleRateHz, score: scores[scores.length >> 1]! });
  }
  return judged;
}

const cwru = realRecordings('cwru');
describe.skipIf(cwru === undefined)('on the CWRU bearings, which it never saw', () => {
  it('ranks every faulted 12 kHz drive-end record above the healthy one: ROC AUC 1.0', async () => {
    const all = await judge(cwru!);
    const driveEnd = all.filter(({ file, sampleRateHz }) => file.includes('DE') && sampleRateHz === 12_000);
    const healthy = driveEnd.filter(({ label }) => label === 'normal').map(({ score }) => score);
    const faulted = driveEnd.filter(({ label }) => label !== 'normal').map(({ score }) => score);
    expect([healthy.length, faulted.length]).toEqual([1, 30]);
    expect(Math.min(...faulted)).toBeGreaterThan(Math.max(...healthy));
    // And it cries wolf on none of the four healthy ones, whatever their rate and end.
    const normal = all.filter(({ label }) => label === 'normal');
    expect(normal).toHaveLength(4);
    for (const { score } of normal) expect(score).toBeLessThan(0.2);
  });
});

const hit = realRecordings('hit-sm');
describe.skipIf(hit === undefined)('on the HIT-SM bearings, which it never saw', () => {
  it('puts every faulted record above its threshold and no healthy one', async () => {
    const all = await judge(hit!);
    expect(all.filter(({ label, score }) => label === 'normal' && score > 1)).toEqual([]);
    expect(all.filter(({ label, score }) => label !== 'normal' && score <= 1)).toEqual([]);
  });
});

it('its model card states the hash of the file', async () => {
  const card = await readFile(join(model.dir, 'CARD.md'), 'utf8');
  expect(card).toContain(model.manifest.file.sha256);
});
