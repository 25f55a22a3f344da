import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ModelStore } from '#sm/scoring/model-store.js';
import type { Scorer } from '#sm/scoring/scorer.js';
import { requirePython, runPython } from '../support/venv.js';
import { type ModelBench, modelBench } from './model-bench.js';

let dir: string;
let store: ModelStore;
let scorer: Scorer;
let bench: ModelBench | undefined;

beforeEach(async () => {
  bench = await modelBench('python');
  ({ dir, store, scorer } = bench);
});

afterEach(async () => {
  await bench?.remove();
});

describe.skipIf(!requirePython('skl2onnx', 'sklearn', 'numpy'))('the example of docs/models.md', () => {
  it('runs as it stands and makes a model that a gateway lets in', async () => {
    const page = await readFile(new URL('../../docs/models.md', import.meta.url), 'utf8');
    const example = /```python\n(.*?)```/s.exec(page)?.[1];
    expect(example).toBeDefined();
    await runPython(['-c', example!], { cwd: dir, timeoutMs: 240_000 });
    const model = await store.admit(join(dir, 'pump-vibration', '1'));
    await scorer.load(model);
    const [golden] = model.manifest.golden.vectors;
    const [rms, kurtosis] = golden!.input;
    const [score] = await scorer.score(model.key, [{ rms: rms!, kurtosis: kurtosis! }]);
    // Lower is more unusual there, higher here.
    expect(score!.score).toBeCloseTo(-Number(golden!.output), 5);
    expect(model.manifest.training.histograms.rms!.counts.reduce((sum, n) => sum + n, 0)).toBe(500);
  }, 300_000);
});
