import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attribute } from '#sm/scoring/explain.js';
import type { ModelStore } from '#sm/scoring/model-store.js';
import type { Scorer } from '#sm/scoring/scorer.js';
import { requirePython, runPython } from '../support/venv.js';
import { type ModelBench, modelBench } from './model-bench.js';

/** Models as data scientists make them, each with the scores that its own library gives. */
const SCRIPT = `
import json, sys, warnings
import numpy as np
warnings.filterwarnings('ignore')
import lightgbm, xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

rng = np.random.default_rng(4)
healthy = rng.normal(size=(400, 4)).astype(np.float32)
faulty = (rng.normal(size=(100, 4)) * 1.5 + [2, 0, -1, 0]).astype(np.float32)
x = np.vstack([healthy, faulty])
y = np.r_[np.zeros(400, int), np.ones(100, int)]
rows = np.vstack([healthy[:20], faulty[:20]])
target = {'': 13, 'ai.onnx.ml': 3}
plain = {'zipmap': False}

def sk(model, given, output, column, scores, side, options=None):
    graph = to_onnx(model, given[:1], target_opset=target, options=options)
    return graph, output, column, scores, side

def probability(model):
    fitted = model.fit(x, y)
    return sk(fitted, x, 'probabilities', 1, fitted.predict_proba(rows)[:, 1], 'above', plain)

forest = IsolationForest(n_estimators=50, random_state=0).fit(healthy)
svm = OneClassSVM(gamma=0.3, nu=0.05).fit(healthy)
light = lightgbm.LGBMClassifier(n_estimators=40, verbose=-1, random_state=0).fit(x, y)
boost = xgboost.XGBClassifier(n_estimators=40, max_depth=4, random_state=0).fit(x, y)
inputs = [('input', FloatTensorType([None, 4]))]

models = {
    'isolation-forest': sk(forest, healthy, 'scores', 0, forest.decision_function(rows), 'below'),
    'one-class-svm': sk(svm, healthy, 'scores', 0, svm.decision_function(rows), 'below'),
    'random-forest': probability(RandomForestClassifier(60, random_state=0)),
    'gradient-boosting': probability(GradientBoostingClassifier(n_estimators=60, random_state=0)),
    'pca-pipeline': probability(make_pipeline(StandardScaler(), PCA(2), LogisticRegression())),
    'lightgbm': (convert_lightgbm(light, initial_types=inputs, target_opset=13, zipmap=False), 'probabilities', 1,
                 light.predict_proba(rows)[:, 1], 'above'),
    'xgboost': (convert_xgboost(boost, initial_types=inputs, target_opset=13), 'probabilities', 1,
                boost.predict_proba(rows)[:, 1], 'above'),
}
# Classifications of three named faults, as each library gives their probabilities.
other = (rng.normal(size=(100, 4)) + [0, 3, 0, 2]).astype(np.float32)
x3, y3 = np.vstack([x, other]), np.r_[y, np.full(100, 2)]
rows3 = np.vstack([rows, other[:20]])

def classifier(model, convert):
    fitted = model.fit(x3, y3)
    return convert(fitted), fitted.predict_proba(rows3)

by_skl = lambda fitted: to_onnx(fitted, x3[:1], target_opset=target, options=plain)
classifiers = {
    'classes-random-forest': classifier(RandomForestClassifier(60, random_state=0), by_skl),
    'classes-gradient-boosting': classifier(GradientBoostingClassifier(n_estimators=40, random_state=0), by_skl),
    'classes-network': classifier(make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=200, random_state=0)), by_skl),
    'classes-lightgbm': classifier(lightgbm.LGBMClassifier(n_estimators=40, verbose=-1, random_state=0),
                                   lambda m: convert_lightgbm(m, initial_types=inputs, target_opset=13, zipmap=False)),
    'classes-xgboost': classifier(xgboost.XGBClassifier(n_estimators=40, max_depth=4, random_state=0),
                                  lambda m: convert_xgboost(m, initial_types=inputs, target_opset=13)),
}
told_classes = {}
for name, (graph, probabilities) in classifiers.items():
    open(f'{name}.onnx', 'wb').write(graph.SerializeToString())
    told_classes[name] = dict(input=graph.graph.input[0].name, probabilities=np.asarray(probabilities, dtype=float).tolist())

told = {}
for name, (graph, output, column, scores, side) in models.items():
    open(f'{name}.onnx', 'wb').write(graph.SerializeToString())
    told[name] = dict(input=graph.graph.input[0].name, output=output, column=column, side=side,
                      scores=np.asarray(scores, dtype=float).ravel().tolist())
print(json.dumps(dict(rows=rows.tolist(), models=told, rows3=rows3.tolist(), classes=told_classes)))
`;

interface Told {
  readonly input: string;
  readonly output: string;
  readonly column: number;
  readonly side: 'above' | 'below';
  readonly scores: readonly number[];
}

const MAKERS = [
  'isolation-forest',
  'one-class-svm',
  'random-forest',
  'gradient-boosting',
  'pca-pipeline',
  'lightgbm',
  'xgboost',
];
const CLASSIFIERS = [
  'classes-random-forest',
  'classes-gradient-boosting',
  'classes-network',
  'classes-lightgbm',
  'classes-xgboost',
];
const LABELS = ['normal', 'inner', 'unbalance'];
const NAMES = ['a', 'b', 'c', 'd'];

const ready = requirePython('skl2onnx', 'sklearn', 'lightgbm', 'xgboost', 'onnxmltools');

describe.skipIf(!ready)('models of the usual makers', () => {
  let folder: string;
  let store: ModelStore;
  let scorer: Scorer;
  let bench: ModelBench | undefined;
  let told: {
    rows: number[][];
    models: Record<string, Told>;
    rows3: number[][];
    classes: Record<string, { readonly input: string; readonly probabilities: number[][] }>;
  };

  beforeAll(async () => {
    bench = await modelBench('makers');
    ({ dir: folder, store, scorer } = bench);
    told = JSON.parse(await runPython(['-c', SCRIPT], { cwd: folder }));
  });

  afterAll(async () => {
    await bench?.remove();
  });

  /** As the data scientist would send it: the file, and a manifest beside it. */
  async function admitted(name: string, changes: Record<string, unknown>) {
    const staging = await store.createStaging();
    const file = await readFile(join(folder, `${name}.onnx`));
    const manifest = {
      format: 'sm-edge-model/1',
      name,
      version: '1',
      signal: { quantities: ['acceleration'] },
      scaler: { kind: 'in-graph' },
      training: { data: 'Gaussian', terms: 'synthetic', samples: 500 },
      file: {
        name: 'model.onnx',
        sizeBytes: file.length,
        sha256: createHash('sha256').update(file).digest('hex'),
      },
      licence: 'Apache-2.0',
      ...changes,
    };
    await mkdir(staging, { recursive: true });
    await writeFile(join(staging, 'model.onnx'), file);
    await writeFile(join(staging, 'manifest.json'), JSON.stringify(manifest));
    const model = await store.admit(staging);
    await scorer.load(model);
    return model;
  }

  const scoring = ({ input, output, column, side, scores }: Told) => ({
    task: 'anomaly',
    inputs: { kind: 'features', tensor: input, features: NAMES },
    output: { tensor: output, column, meaning: 'as the library says it', anomalous: side },
    threshold: { value: side === 'below' ? 0 : 0.5, method: "the library's own" },
    golden: { vectors: told.rows.map((row, i) => ({ input: row, output: scores[i] })) },
  });

  const rowOf = (values: readonly number[]) => Object.fromEntries(NAMES.map((name, i) => [name, values[i]!]));

  it.each(MAKERS)(
    '%s: scores here as it does there, within 1e-5, and is explained to the last share',
    async (name) => {
      const there = told.models[name]!;
      const model = await admitted(name, scoring(there));
      const here = await scorer.score(model.key, told.rows.map(rowOf));
      const sign = there.side === 'below' ? -1 : 1;
      here.forEach(({ score }, i) => {
        const expected = sign * there.scores[i]!;
        expect(Math.abs(score - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)));
      });
      const { values, base } = await attribute(scorer, model, rowOf(told.rows[25]!));
      const sum = values.reduce((total, value) => total + value, 0);
      expect(Math.abs(sum - (here[25]!.score - base))).toBeLessThan(1e-3);
    },
  );

  it.each(CLASSIFIERS)('%s: labels and probabilities are those of its library within 1e-5', async (name) => {
    const { input, probabilities } = told.classes[name]!;
    const model = await admitted(name, {
      task: 'classification',
      inputs: { kind: 'features', tensor: input, features: NAMES },
      output: {
        kind: 'classes',
        tensor: 'probabilities',
        labels: LABELS,
        healthy: ['normal'],
        meaning: 'fault',
      },
      threshold: { value: 0.5, method: 'more likely than not' },
      golden: { vectors: told.rows3.map((row, i) => ({ input: row, output: probabilities[i] })) },
    });
    const here = await scorer.score(model.key, told.rows3.map(rowOf));
    here.forEach((score, i) => {
      const there = probabilities[i]!;
      LABELS.forEach((label, k) => {
        expect(Math.abs(score.probabilities![label]! - there[k]!)).toBeLessThan(1e-5);
      });
      const best = there.indexOf(Math.max(...there));
      // Float32 may not tell apart what is all but equal.
      const isTie = there.filter((p) => Math.abs(p - there[best]!) < 1e-5).length > 1;
      if (!isTie) expect(score.label).toBe(LABELS[best]);
      expect(Math.abs(score.score - (1 - there[0]!))).toBeLessThan(1e-5);
    });
  });
});
