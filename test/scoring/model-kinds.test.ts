import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outputWidthOf } from '#sm/scoring/manifest-output.js';
import type { ModelStore, StoredModel } from '#sm/scoring/model-store.js';
import type { Score } from '#sm/scoring/score.js';
import type { Scorer } from '#sm/scoring/scorer.js';
import { requirePython, runPython } from '../support/venv.js';
import { type ModelBench, modelBench } from './model-bench.js';

const PAGE = new URL('../../docs/model-kinds.md', import.meta.url);
const MODELS = ['fault-forest', 'autoencoder', 'waveform-cnn', 'sound-cnn', 'rms-forecast'];

describe.skipIf(!requirePython('onnx', 'onnxruntime', 'skl2onnx', 'sklearn', 'librosa'))(
  'the examples of docs/model-kinds.md',
  () => {
    let dir: string;
    let store: ModelStore;
    let scorer: Scorer;
    let bench: ModelBench | undefined;

    beforeAll(async () => {
      bench = await modelBench('model-kinds');
      ({ dir, store, scorer } = bench);
      const blocks = [...(await readFile(PAGE, 'utf8')).matchAll(/```python\n(.*?)```/gs)];
      await runPython(['-c', blocks.map(([, code]) => code).join('\n')], { cwd: dir });
    });

    afterAll(async () => {
      await bench?.remove();
    });

    /** What the model says of one golden input, in the order of its golden output. */
    const told = ({ manifest }: StoredModel, score: Score): readonly number[] => {
      const { output } = manifest;
      if (output.kind === 'classes') return output.labels.map((label) => score.probabilities![label]!);
      if (output.kind === 'forecast') return [score.expected!, score.lower!, score.upper!];
      return [score.score];
    };

    it.each(MODELS)('%s is let in and gives what Python gave, within 1e-5', async (name) => {
      const model = await store.admit(join(dir, name, '1'));
      await scorer.load(model);
      const { inputs, golden, output } = model.manifest;
      for (const { input, output: expected } of golden.vectors) {
        const [score] =
          inputs.kind === 'sequence'
            ? await scorer.score(model.key, [{ steps: input.map((value) => ({ rms: value })), actual: 1 }])
            : inputs.kind === 'features'
              ? await scorer.score(model.key, [
                  Object.fromEntries(inputs.features.map((feature, i) => [feature, input[i]!])),
                ])
              : await scorer.score(model.key, [{ samples: Float32Array.from(input) }]);
        const wanted = typeof expected === 'number' ? [expected] : expected;
        const here = told(model, score!);
        expect(here).toHaveLength(outputWidthOf(output));
        here.forEach((value, k) => {
          expect(Math.abs(value - wanted[k]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(wanted[k]!)));
        });
      }
    });
  },
);
