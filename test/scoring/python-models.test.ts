import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { requirePython, runPython } from '../support/venv.js';

let dir: string;
let store: ModelStore;
let scorer: Scorer;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-python-'));
  const metrics = new Metrics();
  store = new ModelStore({
    bundledDir: join(dir, 'none'),
    localDir: join(dir, 'models'),
    quarantine: quarantine(systemClock),
    metrics,
  });
  await store.open();
  scorer = new Scorer({ clock: systemClock, metrics });
});

afterEach(async () => {
  await scorer.close();
  await rm(dir, { recursive: true, force: true });
});

describe.skipIf(!requirePython('onnx', 'numpy'))('the example of docs/models.md', () => {
  it('runs as it stands and makes a model that a gateway lets in', async () => {
    const page = await readFile(new URL('../../docs/models.md', import.meta.url), 'utf8');
    const example = /```python\n(.*?)```/s.exec(page)?.[1];
    expect(example).toBeDefined();
    await runPython(['-c', example!], { cwd: dir });
    const model = await store.admit(join(dir, 'pump-vibration', '1'));
    await scorer.load(model);
    const [golden] = model.manifest.golden.vectors;
    const [rms, kurtosis] = golden!.input;
    const [score] = await scorer.score(model.key, [{ rms: rms!, kurtosis: kurtosis! }]);
    expect(score!.score).toBeCloseTo(Number(golden!.output), 4);
    expect(model.manifest.training.histograms.rms!.counts.reduce((sum, n) => sum + n, 0)).toBe(500);
  });
});

describe.skipIf(!requirePython('skl2onnx', 'sklearn'))('an isolation forest of scikit-learn', () => {
  it('scores here as it does there, lower being more anomalous', async () => {
    const staging = await store.createStaging();
    const script = `
import json, sys, numpy as np
from sklearn.ensemble import IsolationForest
from skl2onnx import to_onnx
rng = np.random.default_rng(4)
healthy = rng.normal(size=(400, 3)).astype(np.float32)
forest = IsolationForest(n_estimators=50, random_state=0).fit(healthy)
onnx_model = to_onnx(forest, healthy[:1], target_opset={'': 13, 'ai.onnx.ml': 3})
open(sys.argv[1], 'wb').write(onnx_model.SerializeToString())
rows = np.vstack([healthy[:20], healthy[:5] * 6])
print(json.dumps({
  'rows': rows.tolist(), 'scores': forest.decision_function(rows).tolist(),
  'input': onnx_model.graph.input[0].name, 'outputs': [o.name for o in onnx_model.graph.output],
}))
`;
    const there: { rows: number[][]; scores: number[]; input: string; outputs: string[] } = JSON.parse(
      await runPython(['-c', script, join(staging, 'model.onnx')]),
    );
    expect(there.outputs).toContain('scores');
    const file = await readFile(join(staging, 'model.onnx'));
    const manifest = {
      format: 'sm-edge-model/1',
      name: 'forest',
      version: '1',
      task: 'anomaly',
      signal: { quantities: ['acceleration'] },
      inputs: { kind: 'features', tensor: there.input, features: ['a', 'b', 'c'] },
      scaler: { kind: 'in-graph' },
      output: { tensor: 'scores', meaning: 'decision_function of the forest', anomalous: 'below' },
      threshold: { value: 0, method: 'offset of the forest' },
      training: { data: 'Gaussian', terms: 'synthetic', samples: 400 },
      golden: { vectors: there.rows.slice(0, 5).map((input, i) => ({ input, output: there.scores[i] })) },
      file: {
        name: 'model.onnx',
        sizeBytes: file.length,
        sha256: createHash('sha256').update(file).digest('hex'),
      },
      licence: 'Apache-2.0',
    };
    await writeFile(join(staging, 'manifest.json'), JSON.stringify(manifest));
    const model = await store.admit(staging);
    await scorer.load(model);
    const here = await scorer.score(
      model.key,
      there.rows.map(([a, b, c]) => ({ a: a!, b: b!, c: c! })),
    );
    here.forEach(({ score, anomalous }, i) => {
      expect(Math.abs(score + there.scores[i]!)).toBeLessThan(1e-5);
      expect(anomalous).toBe(there.scores[i]! < 0);
    });
    expect(here.slice(20).every(({ anomalous }) => anomalous)).toBe(true);
  });
});
