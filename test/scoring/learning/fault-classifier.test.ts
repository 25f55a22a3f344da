import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { classifierModel } from '#sm/scoring/learning/classifier-model.js';
import { classify, fitFaultClassifier } from '#sm/scoring/learning/fault-classifier.js';
import { applyScaler, fitScaler } from '#sm/scoring/learning/scaler.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { requirePython, runPython } from '../../support/venv.js';

const NAMES = ['rms', 'kurtosis', 'bpfo', 'bpfi', 'bsf', 'order.1x'];
const random = seededRandom(4);

/** What a fault multiplies; severity is a power of it. */
const SIGNS: Readonly<Record<string, readonly number[]>> = {
  normal: [1, 1, 1, 1, 1, 1],
  outer: [1.3, 1.5, 8, 2, 1.2, 1],
  inner: [1.3, 1.4, 2, 8, 1.3, 1],
  unbalance: [1.6, 0.95, 1, 1, 1, 6],
  ball: [1.2, 1.6, 1.1, 1.2, 9, 1],
};

function window(fault: string, severity = 1): Record<string, number> {
  return Object.fromEntries(
    NAMES.map((name, j) => [
      name,
      SIGNS[fault]![j]! ** severity * (j + 1) * Math.exp(0.1 * gaussian(random)),
    ]),
  );
}

const healthy = Array.from({ length: 200 }, () => window('normal'));
const scaler = fitScaler(healthy, NAMES);
const z = (row: Record<string, number>) => applyScaler(scaler, row);
const cases = ['outer', 'inner', 'unbalance'].flatMap((label) =>
  [0.7, 1].map((severity) => ({ label, row: window(label, severity) })),
);
const classifier = fitFaultClassifier(
  NAMES,
  cases.map(({ label, row }) => ({ label, z: z(row) })),
  healthy.filter((_, i) => i % 10 === 0).map(z),
);

function named(row: Record<string, number>): string {
  const probabilities = classify(classifier, z(row));
  return classifier.labels[probabilities.indexOf(Math.max(...probabilities))]!;
}

describe('naming faults from two cases each', () => {
  it('names known faults at another severity, and healthy windows normal', () => {
    expect(classifier.labels).toEqual(['normal', 'inner', 'outer', 'unbalance', 'unknown']);
    const outcomes = ['outer', 'inner', 'unbalance', 'normal'].flatMap((fault) =>
      [0.7, 0.8, 0.9, 1, 1.1].map((severity) => ({ fault, is: named(window(fault, severity)) })),
    );
    // It may say that it does not know; it does not take one for another.
    expect(outcomes.filter(({ fault, is }) => is !== fault && is !== 'unknown')).toEqual([]);
    expect(outcomes.filter(({ fault, is }) => is === fault).length).toBeGreaterThanOrEqual(17);
    expect(classifier.accuracy).toBeGreaterThanOrEqual(0.5);
    expect(classifier.cases).toEqual({ inner: 2, outer: 2, unbalance: 2 });
  });

  it('a fault that nobody has named is unknown', () => {
    expect(named(window('ball'))).toBe('unknown');
  });

  it('refuses to name what was seen once', () => {
    const once = [{ label: 'outer', z: z(window('outer')) }];
    expect(() => fitFaultClassifier(NAMES, once, healthy.map(z))).toThrow(
      expect.objectContaining({ code: 'TRAINING_TOO_FEW' }),
    );
  });

  it.skipIf(!requirePython('onnxruntime'))(
    'is let in as a model, and Python gives the same probabilities',
    async () => {
      const from = {
        name: 'faults',
        version: '1',
        quantity: 'acceleration',
        data: 'synthetic',
        terms: 'own',
      };
      const rows = [...healthy, ...cases.map(({ row }) => row)];
      const { model, manifest } = classifierModel(classifier, scaler, rows, from);
      const folder = await mkdtemp(join(tmpdir(), 'sm-edge-classifier-'));
      try {
        const file = join(folder, 'model.onnx');
        await writeFile(file, model);
        await quarantine(systemClock)(file, manifest);
        const test = Array.from({ length: 50 }, (_, i) => window(Object.keys(SIGNS)[i % 5]!, 0.5 + i / 50));
        await writeFile(
          join(folder, 'x.json'),
          JSON.stringify(test.map((row) => NAMES.map((name) => row[name]))),
        );
        const script = `
import json, sys, numpy as np, onnxruntime as ort
x = np.array(json.load(open(sys.argv[2])), dtype=np.float32)
print(json.dumps(ort.InferenceSession(sys.argv[1]).run(['probabilities'], {'features': x})[0].tolist()))`;
        const told = JSON.parse(await runPython(['-c', script, file, join(folder, 'x.json')])) as number[][];
        for (const [i, row] of test.entries()) {
          const own = classify(classifier, z(row));
          for (const [k, probability] of own.entries())
            expect(Math.abs(probability - told[i]![k]!)).toBeLessThan(1e-3);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
