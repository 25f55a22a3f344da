import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelManifest } from '#sm/scoring/manifest.js';
import { rawWidthOf } from '#sm/scoring/manifest-inputs.js';
import type { ModelInput } from '#sm/scoring/model-input.js';
import type { ModelStore } from '#sm/scoring/model-store.js';
import type { Score } from '#sm/scoring/score.js';
import type { Scorer } from '#sm/scoring/scorer.js';
import { optionalTorch, runPython, torchPython } from '../support/venv.js';
import { type ModelBench, modelBench } from './model-bench.js';

const PAGE = new URL('../../docs/pytorch.md', import.meta.url);
const MORE = new URL('./pytorch-inputs.py', import.meta.url);
const MODELS = ['torch-autoencoder', 'torch-waveform-cnn', 'torch-mel-autoencoder', 'torch-lstm'];
const BATCH = 64;

/** One input of a file of float32 values as the gateway takes it. */
function inputOf({ inputs }: ModelManifest, values: Float32Array): ModelInput {
  if (inputs.kind !== 'features' && inputs.kind !== 'sequence') return { samples: values };
  const { features } = inputs;
  const row = (at: number) => Object.fromEntries(features.map((name, i) => [name, values[at + i]!]));
  if (inputs.kind === 'features') return row(0);
  return { steps: Array.from({ length: inputs.steps }, (_, step) => row(step * features.length)) };
}

const toldBy = ({ output }: ModelManifest, { score, probabilities }: Score): readonly number[] =>
  output.kind === 'classes' ? output.labels.map((label) => probabilities![label]!) : [score];

describe.skipIf(!optionalTorch()).each([
  ['torch.export', true],
  ['TorchScript', false],
])('networks of PyTorch, exported through %s', (_, dynamo) => {
  let dir: string;
  let store: ModelStore;
  let scorer: Scorer;
  let bench: ModelBench | undefined;

  beforeAll(async () => {
    bench = await modelBench('pytorch');
    ({ dir, store, scorer } = bench);
    const page = await readFile(PAGE, 'utf8');
    const examples = [...page.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code).join('\n');
    const chosen = dynamo ? examples : examples.replace('DYNAMO = True', 'DYNAMO = False');
    expect(chosen === examples).toBe(dynamo);
    const versions = await runPython(['-W', 'ignore', '-c', `${chosen}\n${await readFile(MORE, 'utf8')}`], {
      cwd: dir,
      timeoutMs: 240_000,
      python: torchPython,
    });
    process.stderr.write(`${versions.trim().split('\n').at(-1)}\n`);
  }, 260_000);

  afterAll(async () => {
    await bench?.remove();
  });

  it.each(MODELS)('%s: every score is that of PyTorch within 1e-5', async (name) => {
    const model = await store.admit(join(dir, name, '1'));
    await scorer.load(model);
    const told: (number | number[])[] = JSON.parse(await readFile(join(dir, `${name}.json`), 'utf8'));
    const file = await readFile(join(dir, `${name}.inputs`));
    const values = new Float32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
    const width = rawWidthOf(model.manifest.inputs);
    expect(values.length).toBe(told.length * width);
    expect(told.length).toBeGreaterThanOrEqual(BATCH);
    let largest = 0;
    for (let from = 0; from < told.length; from += BATCH) {
      const rows = told.slice(from, from + BATCH);
      const inputs = rows.map((__, i) =>
        inputOf(model.manifest, values.slice((from + i) * width, (from + i + 1) * width)),
      );
      const scores = await scorer.score(model.key, inputs);
      scores.forEach((score, i) => {
        const there = [rows[i]!].flat();
        const here = toldBy(model.manifest, score);
        expect(here).toHaveLength(there.length);
        here.forEach((value, k) => {
          const off = Math.abs(value - there[k]!) / Math.max(1, Math.abs(there[k]!));
          largest = Math.max(largest, Number.isNaN(off) ? Number.POSITIVE_INFINITY : off);
        });
        // The label is the most probable one.
        if (score.label !== undefined)
          expect(score.probabilities![score.label]).toBeGreaterThan(Math.max(...there) - 1e-5);
      });
    }
    process.stderr.write(`${name}: ${told.length} inputs, largest difference ${largest.toExponential(1)}\n`);
    expect(largest).toBeLessThan(1e-5);
  });

  const REFUSED: readonly (readonly [string, string, RegExp])[] = [
    ['float64', 'MODEL_INPUTS', /not a float32 tensor but float64: .*model\.float/],
    ['eight-rows', 'MODEL_INPUTS', /takes exactly 8 rows; export it with a dynamic first axis/],
    ['external', 'MODEL_CORRUPT', /lies in another file .*external_data=False/],
  ];

  it.each(REFUSED.filter(([variant]) => dynamo || variant !== 'external'))(
    '%s: is refused with %s, which says what to do',
    async (variant, code, message) => {
      await expect(store.admit(join(dir, 'refused', variant))).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    },
  );
});
