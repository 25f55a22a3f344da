import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { Baseline } from '#sm/scoring/baseline.js';
import { attribute, explainModel } from '#sm/scoring/explain.js';
import type { StoredModel } from '#sm/scoring/model-store.js';
import { scorePoints } from '#sm/scoring/score-points.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { GraphWriter } from '#sm/scoring/training/onnx-writer.js';
import { patientClock } from '../support/clocks.js';
import { until } from '../support/until.js';
import { linearModel, manifestOf, slowModel, storedModel, writeModel } from './support.js';

let dir: string;
let metrics: Metrics;
const scorers: Scorer[] = [];

function scorerWith(clock = patientClock, timeoutMs = 10_000): Scorer {
  const scorer = new Scorer({ clock, metrics, timeoutMs });
  scorers.push(scorer);
  return scorer;
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-scorer-'));
  metrics = new Metrics();
});

afterEach(async () => {
  for (const scorer of scorers.splice(0)) await scorer.close();
  await rm(dir, { recursive: true, force: true });
});

async function onDisk(bytes: Uint8Array, changes: Record<string, unknown> = {}): Promise<StoredModel> {
  const manifest = manifestOf(bytes, changes);
  const folder = await writeModel(join(dir, manifest.name, manifest.version), bytes, manifest);
  return storedModel(folder, manifest);
}

const slow = (depth = 40) =>
  onDisk(slowModel(1200, depth), {
    name: 'slow',
    output: { tensor: 'score', meaning: 'x', anomalous: 'above' },
  });

describe('scoring', () => {
  it('a batch gives one score per vector, in order, against the threshold', async () => {
    const scorer = scorerWith();
    await scorer.load(await onDisk(linearModel()));
    expect(
      await scorer.score('linear/1', [
        { a: 1, b: 1 },
        { b: 3, a: 2, unused: 7 },
      ]),
    ).toEqual([
      { model: 'linear', version: '1', score: 6, threshold: 10, anomalous: false },
      { model: 'linear', version: '1', score: 14, threshold: 10, anomalous: true },
    ]);
    expect(await scorer.score('linear/1', [])).toEqual([]);
    expect(await metrics.registry.metrics()).toContain('sm_edge_scoring_rows_total{model="linear/1"} 2');
  });

  it('higher is more anomalous also where the model itself says lower', async () => {
    const scorer = scorerWith();
    await scorer.load(
      await onDisk(linearModel(), {
        output: { tensor: 'score', meaning: 'normality', anomalous: 'below' },
        threshold: { value: 0, method: 'x' },
      }),
    );
    const [fine, odd] = await scorer.score('linear/1', [
      { a: 1, b: 0 },
      { a: -1, b: 0 },
    ]);
    expect(fine).toMatchObject({ score: -3, anomalous: false });
    expect(odd).toMatchObject({ score: 1, anomalous: true });
  });

  it('an affine scaler of the manifest comes before the graph', async () => {
    const scorer = scorerWith();
    await scorer.load(
      await onDisk(linearModel(), { scaler: { kind: 'affine', center: [10, 20], scale: [2, 5] } }),
    );
    const [score] = await scorer.score('linear/1', [{ a: 12, b: 30 }]);
    expect(score?.score).toBe(2 * 1 + 3 * 2 + 1);
  });

  it('contributions explain a score, largest first', async () => {
    const scorer = scorerWith();
    const model = await onDisk(linearModel());
    await scorer.load(model);
    const vector = { a: 1, b: 3 };
    const contributions = await scorer.contributions(model.key, vector);
    expect(contributions).toEqual({ a: 2, b: 9 });
    const { values } = await attribute(scorer, model, vector);
    expect(explainModel(model.manifest, vector, values)).toEqual([
      { feature: 'b', value: 3, contribution: 9, share: 9 / 11 },
      { feature: 'a', value: 1, contribution: 2, share: 2 / 11 },
    ]);
  });

  it('a missing feature, an unknown model and a released one are refused', async () => {
    const scorer = scorerWith();
    await scorer.load(await onDisk(linearModel()));
    await expect(scorer.score('linear/1', [{ a: 1 }])).rejects.toMatchObject({
      code: 'MODEL_INPUTS',
      message: 'linear/1 needs b, which is undefined',
    });
    await expect(scorer.score('other/1', [])).rejects.toMatchObject({ code: 'MODEL_NOT_LOADED' });
    await scorer.release('linear/1');
    await expect(scorer.score('linear/1', [{ a: 1, b: 1 }])).rejects.toMatchObject({
      code: 'MODEL_NOT_LOADED',
    });
  });

  it('a score that is no number is an error, not a healthy machine', async () => {
    const scorer = scorerWith();
    await scorer.load(await onDisk(linearModel()));
    await expect(scorer.score('linear/1', [{ a: 3e38, b: -3e38 }])).rejects.toMatchObject({
      code: 'MODEL_RUN',
    });
  });

  it('a file that changed on disk since it was admitted is not loaded', async () => {
    const scorer = scorerWith();
    const model = await onDisk(linearModel());
    await writeFile(model.path, linearModel().subarray(1));
    await expect(scorer.load(model)).rejects.toMatchObject({ code: 'MODEL_CHECKSUM' });
    expect(scorer.loaded).toEqual([]);
  });
});

describe('calls for one model', () => {
  const runs = async () =>
    Number(
      /sm_edge_scoring_batches_total\{model="linear\/1"\} (\d+)/.exec(await metrics.registry.metrics())?.[1],
    );

  it('of the same turn are one run; one that does not fit costs the others nothing', async () => {
    const scorer = scorerWith();
    await scorer.load(await onDisk(linearModel()));
    const calls = Array.from({ length: 64 }, (_, k) =>
      scorer.score('linear/1', [k === 7 ? { a: 1 } : { a: k, b: 1 }]),
    );
    const answers = await Promise.allSettled(calls);
    answers.forEach((answer, k) => {
      if (k === 7) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'MODEL_INPUTS' } });
      else expect(answer).toMatchObject({ status: 'fulfilled', value: [{ score: 2 * k + 3 + 1 }] });
    });
    expect(await runs()).toBe(1);
  });

  it('that come while others are under way wait for them and are one run', async () => {
    const scorer = scorerWith();
    await scorer.load(await onDisk(linearModel()));
    const scores: Promise<unknown>[] = [];
    for (let k = 0; k < 40; k++) {
      scores.push(
        scorer.score('linear/1', [{ a: k, b: 0 }]).then(([score]) => expect(score!.score).toBe(2 * k + 1)),
      );
      await Promise.resolve();
      await Promise.resolve();
    }
    await Promise.all(scores);
    expect(await runs()).toBeLessThan(40);
  });

  it('may bring rows in the order of the manifest, and more than shared memory holds', async () => {
    const scorer = scorerWith();
    const features = Array.from({ length: 512 }, (_, i) => `f${i}`);
    const graph = new GraphWriter('wide');
    const x = graph.input('features', ['rows', 512]);
    graph.node('ReduceSum', 'score', [x, graph.integers('axis', [1])], { keepdims: 0 });
    graph.output('score', ['rows']);
    await scorer.load(
      await onDisk(graph.finish(), {
        inputs: { kind: 'features', tensor: 'features', features },
        output: { tensor: 'score', meaning: 'sum', anomalous: 'above' },
        golden: { vectors: [{ input: features.map(() => 0), output: 0 }] },
      }),
    );
    for (const rows of [3, 4000]) {
      const scores = await scorer.scoreRows('linear/1', rows, new Float32Array(rows * 512).fill(0.5));
      expect(scores.map(({ score }) => score)).toEqual(new Array(rows).fill(256));
    }
    await expect(scorer.scoreRows('linear/1', 2, new Float32Array(3))).rejects.toMatchObject({
      code: 'MODEL_INPUTS',
    });
  });

  it('may have their features in any order, with others between', async () => {
    const scorer = scorerWith();
    await scorer.load(await onDisk(linearModel()));
    const scores = await scorer.score('linear/1', [
      { a: 1, b: 10 },
      { a: 2, b: 10 },
      { b: 10, a: 3 },
      { x: 7, b: 10, y: 8, a: 4 },
      { a: 5, b: 10, x: 7 },
    ]);
    expect(scores.map(({ score }) => score)).toEqual([33, 35, 37, 39, 41]);
  });
});

describe('when the worker fails', () => {
  it('a run past its deadline is an error; other models are loaded again in a new worker, the slow one rests', async () => {
    // The deadline of a run passes when the test says so, and no time goes by for the one that rests.
    const DEADLINE_MS = 3_600_000;
    const passes: (() => void)[] = [];
    const clock: Clock = {
      ...patientClock,
      monotonicMs: () => 0,
      setTimer(name, delayMs, callback) {
        if (delayMs === DEADLINE_MS) passes.push(callback);
        return patientClock.setTimer(name, delayMs, callback);
      },
    };
    const scorer = scorerWith(clock, DEADLINE_MS);
    await scorer.load(await onDisk(linearModel()));
    await scorer.load(await slow());
    passes.length = 0;
    const tooSlow = expect(scorer.score('slow/1', [{ a: 1, b: 1 }])).rejects.toMatchObject({
      code: 'WORKER_TIMEOUT',
    });
    await until(() => expect(passes).toHaveLength(1));
    passes[0]!();
    await tooSlow;
    const [score] = await scorer.score('linear/1', [{ a: 1, b: 1 }]);
    expect(score?.score).toBe(6);
    await expect(scorer.score('slow/1', [{ a: 1, b: 1 }])).rejects.toMatchObject({ code: 'MODEL_RESTS' });
    expect(await metrics.registry.metrics()).toContain('sm_edge_scoring_worker_restarts_total 1');
  });

  it('a long run leaves the main thread free', async () => {
    const scorer = scorerWith();
    await scorer.load(await slow());
    let turns = 0;
    const tick = setInterval(() => {
      turns++;
    }, 1);
    await scorer.score('slow/1', [{ a: 0, b: 0 }]).catch(() => undefined);
    clearInterval(tick);
    // Were it held up by the run, there would be none.
    expect(turns).toBeGreaterThan(5);
  });
});

describe('points in one call', () => {
  const features = { a: 1, b: 1 };
  const learned = () => {
    const baseline = new Baseline();
    for (let i = 0; i < 100; i++) baseline.update({ a: 1 + (i % 7) / 50, b: 1 + (i % 5) / 50 });
    return baseline;
  };

  it('take the score of their model, with the baseline beside it', async () => {
    const scorer = scorerWith();
    const model = await onDisk(linearModel());
    await scorer.load(model);
    const [point] = await scorePoints(scorer, [
      { features, choice: { model, reason: 'default' }, baseline: learned() },
    ]);
    expect(point?.score).toMatchObject({ model: 'linear', score: 6 });
    expect(point?.score?.fallback).toBeUndefined();
    expect(point?.baseline).toMatchObject({ model: 'baseline', anomalous: false });
  });

  it('fall back to their baseline one by one, each with the reason', async () => {
    const scorer = scorerWith();
    const model = await onDisk(linearModel());
    await scorer.load(model);
    const choice = { model, reason: 'default' };
    const points = await scorePoints(scorer, [
      { features, choice, baseline: learned() },
      { features: { a: 1 }, choice, baseline: learned() },
      { features, choice: { model: undefined, reason: 'no model is wanted' }, baseline: learned() },
      { features, choice, baseline: new Baseline() },
    ]);
    expect(points.map(({ score }) => [score?.model, score?.fallback])).toEqual([
      ['linear', undefined],
      ['baseline', 'linear/1: needs b'],
      ['baseline', 'no model is wanted'],
      ['linear', undefined],
    ]);
  });

  it('fall back together when the model is not loaded', async () => {
    const model = await onDisk(linearModel());
    const [known, unknown] = await scorePoints(scorerWith(), [
      { features, choice: { model, reason: 'default' }, baseline: learned() },
      { features, choice: { model, reason: 'default' }, baseline: new Baseline() },
    ]);
    expect(known?.score?.fallback).toMatch(/^MODEL_NOT_LOADED/);
    expect(unknown?.score).toBeUndefined();
  });
});
