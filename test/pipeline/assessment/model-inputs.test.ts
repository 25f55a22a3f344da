import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { Assessor } from '#sm/pipeline/assessment/assessor.js';
import type { WindowSeen } from '#sm/pipeline/assessment/model-inputs.js';
import { analysisSpecOf, MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { catalogueOf, modelsConfigSchema } from '#sm/scoring/selection.js';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';
import { manifestOf, storedModel, writeModel } from '../../scoring/support.js';

const POINT = 'pump.de.acceleration';
const context = new MachineRegistry([]).contextOf(POINT);
const spec = { ...analysisSpecOf(context, 12_000, 'g'), blockLength: 8 };

let dir: string;
let scorer: Scorer;
let reasons: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-inputs-'));
  scorer = new Scorer({ clock: systemClock, metrics: new Metrics(), timeoutMs: 60_000 });
  reasons = [];
});

afterEach(async () => {
  await scorer.close();
  await rm(dir, { recursive: true, force: true });
});

/** Sum over everything that goes in. */
function sum(input: string, shape: readonly number[]): Uint8Array {
  const graph = new GraphWriter('sum');
  const x = graph.input(input, ['rows', ...shape]);
  graph.node(
    'ReduceSum',
    'score',
    [
      x,
      graph.integers(
        'axes',
        shape.map((_, i) => i + 1),
      ),
    ],
    { keepdims: 0 },
  );
  graph.output('score', ['rows']);
  return graph.finish();
}

async function assessorWith(model: Uint8Array, changes: Record<string, unknown>): Promise<Assessor> {
  const manifest = manifestOf(model, {
    output: { tensor: 'score', meaning: 'sum', anomalous: 'above' },
    ...changes,
  });
  const stored = storedModel(await writeModel(join(dir, 'linear', '1'), model, manifest), manifest);
  return new Assessor(scorer, modelsConfigSchema.parse({ default: 'linear' }), catalogueOf([stored]), {
    fallback: (_point, reason) => reasons.push(reason),
    broken: (_model, error) => reasons.push(error.message),
  });
}

/** Score of the model at each window; undefined where it does not speak. */
async function scored(assessor: Assessor, windows: readonly WindowSeen[]): Promise<(number | undefined)[]> {
  const found = [];
  for (const seen of windows) {
    const { scores } = await assessor.window(context, spec, seen);
    found.push(scores.find(({ model }) => model === 'linear')?.score);
  }
  return found;
}

const step = (timeS: number, a: number, more: Record<string, number> = { b: 0 }): WindowSeen => ({
  timeMs: timeS * 1000,
  features: { a, ...more },
});

describe('the input of a model', () => {
  it('is the last steps of the point; where one is missing or bad its baseline speaks and says why', async () => {
    const assessor = await assessorWith(sum('features', [3, 2]), {
      inputs: { kind: 'sequence', tensor: 'features', features: ['a', 'b'], steps: 3, intervalS: 1 },
      golden: { vectors: [{ input: [1, 0, 1, 0, 1, 0], output: 3 }] },
    });
    const windows = [
      step(0, 1),
      step(1, 10),
      step(2.1, 100),
      step(3, 1000),
      step(5, 1),
      step(6, 1),
      step(7, 2),
    ];
    expect(await scored(assessor, windows)).toEqual([
      undefined,
      undefined,
      111,
      1110,
      undefined,
      undefined,
      4,
    ]);
    expect(await scored(assessor, [step(8, 1, {}), step(9, 1), step(10, 1), step(11, 1)])).toEqual([
      ...[undefined, undefined, undefined],
      3,
    ]);
    expect(reasons).toEqual([
      'linear/1: the model needs 3 steps in a row, 1 s apart',
      'linear/1: the model needs 3 steps in a row, 1 s apart; a step is missing: two lie 2 s apart',
      'linear/1: the model needs 3 steps in a row, 1 s apart; a step lacks b',
    ]);
  });

  it('of a forecast ends where the forecast was made, and the value that came is held against it', async () => {
    const graph = new GraphWriter('persistence');
    const x = graph.input('features', ['rows', 2, 1]);
    graph.node('ReduceMax', 'last', [x], { axes: [1, 2], keepdims: 0 });
    graph.node('Add', 'high', ['last', graph.constant('one', [1])]);
    graph.node('Sub', 'low', ['last', 'one']);
    for (const name of ['last', 'high', 'low']) graph.output(name, ['rows']);
    const assessor = await assessorWith(graph.finish(), {
      task: 'forecast',
      inputs: { kind: 'sequence', tensor: 'features', features: ['a'], steps: 2, intervalS: 1 },
      output: {
        kind: 'forecast',
        feature: 'a',
        horizon: 2,
        tensor: 'last',
        lower: { tensor: 'low' },
        upper: { tensor: 'high' },
        meaning: 'the larger of the last two',
      },
      threshold: { value: 0, method: 'outside' },
      golden: { vectors: [{ input: [1, 2], output: [2, 1, 3] }] },
    });
    // Made of the values at 0 and 1 s for 3 s, of those at 1 and 2 s for 4 s.
    const windows = [step(0, 1), step(1, 2), step(2, 3), step(3, 2), step(4, 8)];
    expect(await scored(assessor, windows)).toEqual([undefined, undefined, undefined, -0.5, 2]);
  });

  it('is the samples of the window, asked for by a model that takes them alone', async () => {
    const block = {
      signal: { quantities: ['acceleration'], unit: 'g', sampleRateHz: { min: 10_000, max: 51_200 } },
      inputs: { kind: 'block', tensor: 'wave', samples: 4, normalisation: 'none', pieces: 'mean' },
      golden: { vectors: [{ input: [1, 1, 1, 1], output: 4 }] },
    };
    const assessor = await assessorWith(sum('wave', [4]), block);
    const samples = () => Float32Array.from([1, 1, 1, 1, 3, 3, 3, 3]);
    expect(await scored(assessor, [{ ...step(0, 1), samples }])).toEqual([8]);
    expect(await scored(assessor, [step(1, 1)])).toEqual([undefined]);
    const gone = () => {
      throw new Error('overwritten');
    };
    expect(await scored(assessor, [{ ...step(1, 1), samples: gone }])).toEqual([undefined]);
    expect(reasons).toEqual([
      'linear/1: the model takes samples, and there are features alone',
      'linear/1: overwritten',
    ]);
    const features = await assessorWith(sum('features', [2]), {
      golden: { vectors: [{ input: [1, 1], output: 2 }] },
      name: 'features',
    });
    await scored(features, [{ ...step(2, 1), samples: gone }]);
    expect(reasons).toHaveLength(3);
  });
});
