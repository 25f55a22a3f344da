import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { DETECTOR_KINDS } from '#sm/scoring/learning/detectors/detector.js';
import { eigenOf } from '#sm/scoring/learning/eigen.js';
import { learnedModel } from '#sm/scoring/learning/learned-model.js';
import { type Trial, trainDetector } from '#sm/scoring/learning/train-detector.js';
import { hasShares } from '#sm/scoring/manifest-output.js';
import { requirePython, runPython } from '../../support/venv.js';

const random = seededRandom(21);
const NAMES = ['rms', 'band.100-1000.rms', 'kurtosis', 'temperature', 'skewness', 'flow'];

/** A machine whose level and temperature follow its load. */
function row(level = 1): Record<string, number> {
  const load = gaussian(random);
  return {
    rms: level * Math.exp(0.2 * load + 0.05 * gaussian(random)),
    'band.100-1000.rms': level * 0.3 * Math.exp(0.2 * load + 0.1 * gaussian(random)),
    kurtosis: 3 * Math.exp(0.1 * gaussian(random)),
    temperature: 3 * load + gaussian(random),
    skewness: 0.2 * gaussian(random),
    flow: 40 + 4 * load + gaussian(random),
  };
}
const healthy = Array.from({ length: 400 }, () => row());
const faulty = Array.from({ length: 50 }, () => row(1.9));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sm-edge-learned-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const from = { name: 'pump', version: '1', quantity: 'acceleration', data: 'synthetic', terms: 'synthetic' };
const options = { falseAlarmProbability: 1e-3, seed: 5 };

describe('training', () => {
  it('chooses a detector that sees what no feature shows alone, and sets a threshold that health keeps', async () => {
    const { detector, limit, trials } = await trainDetector(healthy, NAMES, options);
    expect(trials.map(({ kind }) => kind)).toEqual([...DETECTOR_KINDS]);
    const found = new Map(trials.map(({ kind, detected }) => [kind, detected]));
    expect(found.get('mahalanobis')!).toBeGreaterThan(found.get('robust')!);
    expect(found.get(detector.kind)).toBeGreaterThanOrEqual(Math.max(...found.values()) - 0.02);
    const exceeded = Array.from({ length: 4000 }, () => row()).filter(
      (of) => detector.score(of) > limit,
    ).length;
    // One in a thousand was asked for; a tail of 400 rows is uncertain by a factor of a few.
    expect(exceeded).toBeLessThan(24);
    expect(faulty.filter((of) => detector.score(of) > limit).length).toBeGreaterThan(45);
  });

  it('gives the same model for the same rows, and goes on after a stop without trying twice', async () => {
    const kinds = ['robust', 'mahalanobis', 'pca'] as const;
    const done: Trial[] = [];
    const stop = trainDetector(healthy, NAMES, {
      ...options,
      kinds,
      onTrial: (trial) => {
        done.push(trial);
        if (done.length === 2) throw new Error('stopped');
      },
    });
    await expect(stop).rejects.toThrow('stopped');
    const tried: string[] = [];
    const resumed = await trainDetector(healthy, NAMES, {
      ...options,
      kinds,
      finished: done,
      onTrial: (trial) => void (done.includes(trial) || tried.push(trial.kind)),
    });
    expect(tried).toEqual(['pca']);
    const whole = await trainDetector(healthy, NAMES, { ...options, kinds });
    expect(learnedModel(resumed, healthy, from).manifest).toEqual(
      learnedModel(whole, healthy, from).manifest,
    );
  });

  it('refuses too few rows', async () => {
    await expect(trainDetector(healthy.slice(0, 20), NAMES, options)).rejects.toMatchObject({
      code: 'TRAINING_TOO_FEW',
    });
  });
});

describe('eigenvectors', () => {
  it('rebuild the matrix, largest first, and are orthonormal', () => {
    const n = 7;
    const half = Float64Array.from({ length: n * n }, () => gaussian(random));
    const matrix = Float64Array.from(
      { length: n * n },
      (_, k) => half[k]! + half[(k % n) * n + Math.floor(k / n)]!,
    );
    const { values, vectors } = eigenOf(matrix, n);
    expect([...values]).toEqual([...values].sort((a, b) => b - a));
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const at = (weight: (k: number) => number, a: (k: number) => number, b: (k: number) => number) =>
          Array.from({ length: n }, (_, k) => weight(k) * a(k) * b(k)).reduce((sum, of) => sum + of);
        expect(
          at(
            (k) => values[k]!,
            (k) => vectors[k * n + i]!,
            (k) => vectors[k * n + j]!,
          ),
        ).toBeCloseTo(matrix[i * n + j]!, 10);
        expect(
          at(
            () => 1,
            (k) => vectors[i * n + k]!,
            (k) => vectors[j * n + k]!,
          ),
        ).toBeCloseTo(i === j ? 1 : 0, 12);
      }
  });
});

describe.skipIf(!requirePython('onnxruntime', 'numpy', 'onnx'))("Python's onnxruntime", () => {
  it.each(DETECTOR_KINDS)(
    'runs a learned model of kind %s with the result that it has here',
    async (kind) => {
      const trained = await trainDetector(healthy, NAMES, { ...options, kinds: [kind] });
      const { model, manifest } = learnedModel(trained, healthy, from);
      const rows = [...healthy.slice(0, 100), ...faulty];
      await writeFile(join(folder, 'model.onnx'), model);
      await writeFile(
        join(folder, 'rows.json'),
        JSON.stringify(rows.map((of) => NAMES.map((name) => of[name]!))),
      );
      const script = `
import json, numpy as np, onnx, onnxruntime
onnx.checker.check_model('model.onnx', full_check=True)
session = onnxruntime.InferenceSession('model.onnx', providers=['CPUExecutionProvider'])
names = [o.name for o in session.get_outputs()]
out = session.run(None, {'features': np.array(json.load(open('rows.json')), dtype=np.float32)})
print(json.dumps({n: o.tolist() for n, o in zip(names, out)}))
`;
      const told = JSON.parse(await runPython(['-c', script], { cwd: folder }));
      expect(told.score).toHaveLength(rows.length);
      rows.forEach((of, i) => {
        const here = trained.detector.score(of) / trained.limit;
        expect(Math.abs(told.score[i] - here)).toBeLessThan(2e-4 * Math.max(1, here));
      });
      expect(!hasShares(manifest.output)).toBe(told.contributions === undefined);
      for (const [i, shares] of (told.contributions ?? []).entries()) {
        const sum = shares.reduce((a: number, b: number) => a + b, 0);
        expect(Math.abs(sum - told.score[i])).toBeLessThan(1e-3 * Math.max(1, sum));
      }
    },
  );
});
