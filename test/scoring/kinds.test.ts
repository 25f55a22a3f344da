import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadFft } from '#sm/features/fft.js';
import { createLogMel } from '#sm/features/log-mel.js';
import { compatibility } from '#sm/scoring/compatibility.js';
import { attribute } from '#sm/scoring/explain.js';
import { checkGolden } from '#sm/scoring/golden.js';
import { parseManifest } from '#sm/scoring/manifest.js';
import type { ModelStore } from '#sm/scoring/model-store.js';
import type { Quarantine } from '#sm/scoring/quarantine.js';
import type { Scorer } from '#sm/scoring/scorer.js';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';
import { tryModel } from '#sm/scoring/trial.js';
import { type ModelBench, modelBench } from './model-bench.js';
import { manifestOf, writeModel } from './support.js';

/** What the quarantine does in a process of its own, without the half second that a process takes. */
const quarantineHere: Quarantine = async (path, manifest) =>
  checkGolden(manifest, await tryModel(path, manifest));

let store: ModelStore;
let scorer: Scorer;
let bench: ModelBench | undefined;

beforeEach(async () => {
  bench = await modelBench('kinds', quarantineHere);
  ({ store, scorer } = bench);
});

afterEach(async () => {
  await bench?.remove();
});

/** Through everything that a model from outside goes through, the golden vectors too. */
async function admitted(model: Uint8Array, changes: Record<string, unknown>) {
  const stored = await store.admit(
    await writeModel(await store.createStaging(), model, manifestOf(model, changes)),
  );
  await scorer.load(stored);
  return stored;
}

const refusal = (model: Uint8Array, changes: Record<string, unknown>) =>
  admitted(model, changes).then(
    () => undefined,
    (thrown) => thrown,
  );

const SIGNAL = { quantities: ['acceleration'], unit: 'g', sampleRateHz: { min: 10_000, max: 51_200 } };
const LABELS = ['normal', 'inner', 'outer'];

/** Logits (a, b, 0) of two features. */
function logits(outputs: readonly (number | string)[] = ['rows', 3]): Uint8Array {
  const graph = new GraphWriter('logits');
  const x = graph.input('features', ['rows', 2]);
  graph.node('MatMul', 'logits', [x, graph.constant('w', [1, 0, 0, 0, 1, 0], [2, 3])]);
  graph.output('logits', outputs);
  return graph.finish();
}

const softmax = (a: number, b: number) => {
  const e = [Math.exp(a), Math.exp(b), 1];
  return e.map((x) => x / e.reduce((s, y) => s + y, 0));
};

const classes = (changes: Record<string, unknown> = {}) => ({
  task: 'classification',
  output: {
    kind: 'classes',
    tensor: 'logits',
    labels: LABELS,
    healthy: ['normal'],
    activation: 'softmax',
    meaning: 'which fault',
    ...changes,
  },
  threshold: { value: 0.5, method: 'more likely than not' },
  golden: { vectors: [{ input: [1, 2], output: softmax(1, 2) }] },
});

describe('a classification', () => {
  it('gives the most probable label, all probabilities, and 1 less that of healthy as its score', async () => {
    const { key, manifest } = await admitted(logits(), classes());
    const [fine, faulty] = await scorer.score(key, [
      { a: 3, b: 0 },
      { a: 0, b: 2 },
    ]);
    const [normal, inner, outer] = softmax(0, 2);
    expect(faulty).toMatchObject({ label: 'inner', anomalous: true, threshold: 0.5 });
    expect(faulty!.score).toBeCloseTo(1 - normal!, 6);
    expect(faulty!.probabilities!.normal).toBeCloseTo(normal!, 6);
    expect(faulty!.probabilities!.inner).toBeCloseTo(inner!, 6);
    expect(faulty!.probabilities!.outer).toBeCloseTo(outer!, 6);
    expect(fine).toMatchObject({ label: 'normal', anomalous: false });
    expect(compatibility(manifest, { quantity: 'acceleration', unit: 'g', features: ['a', 'b'] })).toEqual(
      [],
    );
  });

  it('is explained by Shapley values of the probability of a fault', async () => {
    const stored = await admitted(logits(), classes());
    const { values, base } = await attribute(scorer, stored, { a: 0, b: 2 });
    const [score] = await scorer.score(stored.key, [{ a: 0, b: 2 }]);
    expect(values.reduce((sum, value) => sum + value, base)).toBeCloseTo(score!.score, 3);
  });

  it('of two classes may give the probability of the second alone', async () => {
    const graph = new GraphWriter('one');
    const x = graph.input('features', ['rows', 2]);
    graph.node('ReduceSum', 'sum', [x, graph.integers('axis', [1])], { keepdims: 1 });
    graph.output('sum', ['rows', 1]);
    const sigmoid = 1 / (1 + Math.exp(-3));
    const two = { tensor: 'sum', labels: ['ok', 'fault'], healthy: ['ok'], activation: 'sigmoid' };
    const { key } = await admitted(graph.finish(), {
      ...classes(two),
      golden: { vectors: [{ input: [1, 2], output: [1 - sigmoid, sigmoid] }] },
    });
    const [score] = await scorer.score(key, [{ a: 1, b: 2 }]);
    expect(score).toMatchObject({ label: 'fault', anomalous: true });
    expect(score!.score).toBeCloseTo(sigmoid, 6);
  });

  it('with other columns than labels, or wrong golden probabilities, is refused with the difference', async () => {
    const four = {
      ...classes({ labels: [...LABELS, 'ball'] }),
      golden: { vectors: [{ input: [1, 2], output: [0, 0, 0, 1] }] },
    };
    expect(await refusal(logits(), four)).toMatchObject({
      code: 'MODEL_INPUTS',
      message: expect.stringMatching(/output logits has shape \[rows, 3\], the manifest names 4 labels/),
    });
    const wrong = { ...classes(), golden: { vectors: [{ input: [1, 2], output: [0.5, 0.3, 0.2] }] } };
    expect(await refusal(logits(), wrong)).toMatchObject({
      code: 'MODEL_GOLDEN',
      message: expect.stringMatching(/golden vector 0 \(normal\) gives 0\.24/),
    });
  });
});

describe('a reconstruction', () => {
  function halved(shape: readonly (number | string)[], input = 'features'): Uint8Array {
    const graph = new GraphWriter('half');
    graph.node('Mul', 'rebuilt', [graph.input(input, shape), graph.constant('half', [0.5])]);
    graph.output('rebuilt', shape);
    return graph.finish();
  }

  const rebuilt = (space: string, golden: number) => ({
    scaler: { kind: 'affine', center: [10, 20], scale: [2, 5] },
    output: { kind: 'reconstruction', tensor: 'rebuilt', space, meaning: 'error' },
    golden: { vectors: [{ input: [14, 30], output: golden }] },
  });

  it('is scored by the mean square of its error, which its features explain to the last share', async () => {
    // Scaled it is (2, 2); the model gives (1, 1) back.
    const stored = await admitted(halved(['rows', 2]), rebuilt('scaled', 1));
    const [score] = await scorer.score(stored.key, [{ a: 14, b: 40 }]);
    expect(score!.score).toBeCloseTo((1 + 4) / 2, 6);
    expect(await scorer.contributions(stored.key, { a: 14, b: 40 })).toEqual({ a: 0.5, b: 2 });
    const { values, base } = await attribute(scorer, stored, { a: 14, b: 40 });
    expect([values, base]).toEqual([[0.5, 2], 0]);
  });

  it('may give the unit of the input: the error is then taken there', async () => {
    // (2, 2) scaled gives (1, 1), which is read as 1 and 1 in the unit of the features.
    const { key } = await admitted(halved(['rows', 2]), rebuilt('raw', (13 ** 2 + 29 ** 2) / 2));
    const [score] = await scorer.score(key, [{ a: 14, b: 30 }]);
    expect(score!.score).toBeCloseTo((13 ** 2 + 29 ** 2) / 2, 3);
  });

  it('of a sequence takes its steps in order and is explained per feature', async () => {
    const { key } = await admitted(halved(['rows', 3, 2]), {
      inputs: { kind: 'sequence', tensor: 'features', features: ['a', 'b'], steps: 3, intervalS: 1 },
      output: { kind: 'reconstruction', tensor: 'rebuilt', space: 'scaled', meaning: 'error' },
      golden: { vectors: [{ input: [2, 0, 2, 0, 2, 0], output: 0.5 }] },
    });
    const steps = [
      { a: 2, b: 4 },
      { a: 0, b: 4 },
      { a: 0, b: 4 },
    ];
    const [score] = await scorer.score(key, [{ steps }]);
    expect(score!.score).toBeCloseTo((1 + 3 * 4) / 6, 6);
    const shares = (await scorer.contributions(key, { steps }))!;
    expect(shares.a).toBeCloseTo(1 / 6, 6);
    expect(shares.b).toBeCloseTo(2, 6);
    await expect(scorer.score(key, [{ steps: steps.slice(1) }])).rejects.toMatchObject({
      code: 'MODEL_INPUTS',
      message: 'linear/1 needs 3 steps, has 2',
    });
  });
});

describe('a forecast', () => {
  const steps = [{ a: 1 }, { a: 2 }, { a: 3 }];

  /** Expects the last value of `a`, give or take one. */
  function graph(): Uint8Array {
    const writer = new GraphWriter('persistence');
    const x = writer.input('features', ['rows', 3, 1]);
    writer.node('Gather', 'last', [x, writer.integers('at', [2])], { axis: 1 });
    writer.node('Reshape', 'expected', ['last', writer.integers('shape', [-1, 1])]);
    writer.node('Add', 'bounds', ['expected', writer.constant('by', [-1, 1], [1, 2])]);
    writer.output('expected', ['rows', 1]);
    writer.output('bounds', ['rows', 2]);
    return writer.finish();
  }

  const forecast = {
    task: 'forecast',
    inputs: { kind: 'sequence', tensor: 'features', features: ['a'], steps: 3, intervalS: 1 },
    output: {
      kind: 'forecast',
      feature: 'a',
      horizon: 2,
      tensor: 'expected',
      lower: { tensor: 'bounds', column: 0 },
      upper: { tensor: 'bounds', column: 1 },
      meaning: 'as it was',
    },
    threshold: { value: 0, method: 'outside at all' },
    golden: { vectors: [{ input: [1, 2, 3], output: [3, 2, 4] }] },
  };

  it('is scored by how far what came lies outside of its interval, in widths of it', async () => {
    const { key } = await admitted(graph(), forecast);
    const scores = await scorer.score(
      key,
      [3, 4, 6, -1].map((actual) => ({ steps, actual })),
    );
    expect(scores.map(({ score }) => score)).toEqual([-0.5, 0, 1, 1.5]);
    expect(scores.map(({ anomalous }) => anomalous)).toEqual([false, false, true, true]);
    expect(scores[2]).toMatchObject({ expected: 3, lower: 2, upper: 4 });
    expect(await scorer.forecast(key, [{ steps }])).toEqual([{ expected: 3, lower: 2, upper: 4 }]);
    await expect(scorer.score(key, [{ steps }])).rejects.toMatchObject({ code: 'MODEL_INPUTS' });
  });

  it('needs the forecast feature of the point', async () => {
    const { manifest } = await admitted(graph(), forecast);
    expect(compatibility(manifest, { quantity: 'acceleration', unit: 'g', features: ['b'] })).toEqual([
      { field: 'features', expected: '1 features', actual: 'lacks a' },
    ]);
  });
});

describe('raw samples', () => {
  /** Root mean square of what goes in. */
  function rms(shape: readonly (number | string)[], axes: readonly number[]): Uint8Array {
    const graph = new GraphWriter('rms');
    const x = graph.input('wave', shape);
    graph.node('Mul', 'squares', [x, x]);
    graph.node('ReduceMean', 'mean', ['squares'], { axes: [...axes], keepdims: 0 });
    graph.node('Sqrt', 'score', ['mean']);
    graph.output('score', ['rows']);
    return graph.finish();
  }

  const block = (changes: Record<string, unknown> = {}, golden: number[] = [3, -3, 3, -3], rmsOf = 3) => ({
    signal: SIGNAL,
    inputs: { kind: 'block', tensor: 'wave', samples: 4, normalisation: 'none', ...changes },
    output: { tensor: 'score', meaning: 'rms', anomalous: 'above' },
    golden: { vectors: [{ input: golden, output: rmsOf }] },
  });

  it.each([
    ['none', [1, 3, 1, 3], Math.sqrt(5)],
    ['mean', [1, 3, 1, 3], 1],
    ['standard', [10, 30, 10, 30], 1],
    ['standard', [7, 7, 7, 7], 0],
    ['peak', [2, -4, 0, 0], Math.sqrt(1.25 / 4)],
  ])('normalised: %s', async (normalisation, samples, expected) => {
    const stored = await admitted(rms(['rows', 4], [1]), block({ normalisation }, samples, expected));
    const [score] = await scorer.score(stored.key, [{ samples: Float32Array.from(samples) }]);
    expect(score!.score).toBeCloseTo(expected, 5);
  });

  it('as [rows, 1, samples], the newest of a longer window, or all pieces of it', async () => {
    const samples = Float32Array.from([9, 1, 1, 1, 1, 2, 2, 2, 2]);
    const model = rms(['rows', 1, 4], [1, 2]);
    for (const [pieces, expected] of [
      ['last', 2],
      ['mean', 1.5],
      ['max', 2],
    ] as const) {
      const { key } = await admitted(model, { ...block({ pieces }), version: pieces });
      const [score] = await scorer.score(key, [{ samples }]);
      expect(score!.score).toBeCloseTo(expected, 5);
    }
    await expect(scorer.score('linear/last', [{ samples: samples.subarray(6) }])).rejects.toMatchObject({
      code: 'MODEL_INPUTS',
      message: 'linear/last needs 4 samples, has 3',
    });
  });

  it('through a graph that was exported for one row at a time', async () => {
    const { key } = await admitted(rms([1, 4], [1]), block());
    const scores = await scorer.score(
      key,
      [1, 2, 3].map((level) => ({ samples: new Float32Array(4).fill(level) })),
    );
    expect(scores.map(({ score }) => score)).toEqual([1, 2, 3]);
  });

  it('of another shape, length, rate or unit are refused with the difference', async () => {
    expect(await refusal(rms(['rows', 5], [1]), block())).toMatchObject({
      code: 'MODEL_INPUTS',
      message: expect.stringMatching(
        /has shape \[rows, 5\], the manifest a block, \[rows, 4\] or \[rows, 1, 4\]/,
      ),
    });
    const { manifest } = await admitted(rms(['rows', 4], [1]), block());
    const offer = { quantity: 'acceleration', unit: 'g', features: [] };
    expect(compatibility(manifest, { ...offer, sampleRateHz: 25_600, blockSamples: 4 })).toEqual([]);
    expect(compatibility(manifest, { ...offer, unit: 'm/s2', sampleRateHz: 8_000, blockSamples: 3 })).toEqual(
      [
        { field: 'unit', expected: 'g', actual: 'm/s2' },
        { field: 'sampleRateHz', expected: '10000 to 51200 Hz', actual: '8000 Hz' },
        { field: 'window', expected: 'at least 4 samples', actual: '3 samples' },
      ],
    );
  });
});

describe('a log-mel image', () => {
  const mel = { sampleRateHz: 16_000, transformLength: 256, hop: 128, mels: 8, norm: 'slaney' };
  const SAMPLES = 1024;
  const FRAMES = 9;
  const tone = Float32Array.from({ length: SAMPLES }, (_, i) => Math.sin((2 * Math.PI * 1000 * i) / 16_000));

  /** The value of one pixel of the image. */
  function pixel(shape: readonly (number | string)[], at: readonly number[]): Uint8Array {
    const graph = new GraphWriter('pixel');
    const x = graph.input('image', shape);
    const axes = at.map((_, i) => i + 1);
    graph.node('Slice', 'one', [
      x,
      graph.integers('from', at),
      graph.integers(
        'to',
        at.map((i) => i + 1),
      ),
      graph.integers('axes', axes),
    ]);
    graph.node('Reshape', 'score', ['one', graph.integers('flat', [-1])]);
    graph.output('score', ['rows']);
    return graph.finish();
  }

  async function image(): Promise<Float32Array> {
    const logMel = createLogMel(await loadFft(), SAMPLES, {
      sampleRateHz: 16_000,
      transformLength: 256,
      hop: 128,
      count: 8,
      lowHz: 0,
      scale: 'slaney',
      norm: 'slaney',
      centre: true,
    });
    const copied = Float32Array.from(logMel.compute(tone));
    logMel.close();
    return copied;
  }

  const spectrogram = (changes: Record<string, unknown>, output: number) => ({
    signal: { quantities: ['sound'], unit: 'FS', sampleRateHz: { min: 15_900, max: 16_100 } },
    inputs: {
      kind: 'spectrogram',
      tensor: 'image',
      samples: SAMPLES,
      normalisation: 'none',
      mel,
      ...changes,
    },
    output: { tensor: 'score', meaning: 'level', anomalous: 'above' },
    golden: { vectors: [{ input: Array.from(tone), output }] },
  });

  it('goes in as [rows, frames, mels] or [rows, 1, mels, frames], with the level kept or removed', async () => {
    const pixels = await image();
    const there = pixels[4 * 8 + 3]!;
    await admitted(pixel(['rows', FRAMES, 8], [4, 3]), spectrogram({}, there));
    const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
    const turned = spectrogram({ layout: 'mels-frames', level: 'removed' }, there - mean);
    const { key } = await admitted(pixel(['rows', 1, 8, FRAMES], [0, 3, 4]), { ...turned, version: '2' });
    const [score] = await scorer.score(key, [{ samples: tone.map((value) => value * 0.1) }]);
    expect(score!.score).toBeCloseTo(there - mean, 2);
  });

  it('is scaled per band, whichever way round it lies', async () => {
    const there = (await image())[4 * 8 + 3]!;
    const scaler = {
      kind: 'affine',
      center: [0, 0, 0, 5, 0, 0, 0, 0],
      scale: [1, 1, 1, 2, 1, 1, 1, 1],
    };
    await admitted(pixel(['rows', FRAMES, 8], [4, 3]), { ...spectrogram({}, (there - 5) / 2), scaler });
    await admitted(pixel(['rows', 8, FRAMES], [3, 4]), {
      ...spectrogram({ layout: 'mels-frames' }, (there - 5) / 2),
      scaler,
      version: '2',
    });
  });

  it('of other parameters than the graph or the point has is refused with the difference', async () => {
    const other = spectrogram({ mel: { ...mel, mels: 16 } }, 0);
    expect(await refusal(pixel(['rows', FRAMES, 8], [4, 3]), other)).toMatchObject({
      code: 'MODEL_INPUTS',
      message: expect.stringMatching(/the manifest a spectrogram, \[rows, 9, 16\] or \[rows, 1, 9, 16\]/),
    });
    const manifest = manifestOf(new Uint8Array(1), spectrogram({}, 0));
    const offer = { quantity: 'sound', unit: 'FS', blockSamples: 16_000, features: [] };
    expect(compatibility(manifest, { ...offer, sampleRateHz: 16_010 })).toEqual([]);
    expect(compatibility(manifest, { ...offer, sampleRateHz: 44_100 })).toEqual([
      { field: 'sampleRateHz', expected: '15900 to 16100 Hz', actual: '44100 Hz' },
      { field: 'sampleRateHz', expected: '16000 Hz, as its mel bands', actual: '44100 Hz' },
    ]);
  });
});

describe('a manifest that contradicts itself is refused', () => {
  const model = logits();
  const text = (changes: Record<string, unknown>) =>
    JSON.stringify({ ...manifestOf(model, {}), ...classes(), ...changes });
  it.each([
    ['a task without its output', { task: 'forecast' }, /output.kind: forecast takes forecast, not classes/],
    ['a healthy label that is none', classes({ healthy: ['fine'] }), /fine is no label/],
    ['nothing but healthy labels', classes({ healthy: LABELS }), /at least one label must be a fault/],
    [
      'golden outputs of another length',
      { golden: { vectors: [{ input: [1, 2], output: 1 }] } },
      /golden.vectors.0.output: has 1 values, classes gives 3/,
    ],
    [
      'raw samples without their rate',
      {
        signal: { quantities: ['acceleration'] },
        inputs: { kind: 'block', tensor: 'x', samples: 2, normalisation: 'none' },
      },
      /signal.sampleRateHz: a block needs it; signal.unit: a block of samples in their unit needs it/,
    ],
    [
      'an image without a frame',
      {
        signal: SIGNAL,
        inputs: {
          kind: 'spectrogram',
          tensor: 'x',
          samples: 100,
          normalisation: 'none',
          mel: { sampleRateHz: 16_000, transformLength: 256, hop: 128, mels: 8, centre: false },
        },
      },
      /inputs.samples: 100 samples give no frame/,
    ],
  ])('%s', (_title, changes, message) => {
    expect(() => parseManifest(text(changes))).toThrow(message);
  });
});
