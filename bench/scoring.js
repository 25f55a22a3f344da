// What scoring off the main thread costs against a bare onnxruntime-node run() of the same batch on the same settings:
// for one call at a time (latency) and for calls that follow each other without a pause (throughput); what the way to
// the other thread and back costs alone; how late the event loop gets while 64 points score once a second; and what
// reloads leave in memory.
//   npm run bench -- scoring      or: node bench/scoring.js [seconds of live scoring]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { SharedLane } from '#sm/base/shared-lane.js';
import { BUNDLED_MODELS_DIR, ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { BUILTIN_MODEL } from '#sm/scoring/selection.js';
import { autoencoder, convolution, forest, heavy, stored } from './support/scoring-models.js';

const ROWS = [1, 16, 64, 256];
/** Time for one model and size, milliseconds. */
const BUDGET_MS = 2500;
const POINTS = 64;
const RELOADS = 200;
/** Calls that are made without waiting for each other. */
const IN_FLIGHT = 4;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const percentile = (values, p) => values.sort((a, b) => a - b)[Math.floor(values.length * p)];
const rounded = (value, digits = 2) => Number(value.toFixed(digits));

async function elapsedUs(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) * 1000;
}

/** One after the other in turns, so that what else the machine does falls on all of them. */
async function alternated(works, budgetMs) {
  const times = works.map(() => []);
  for (let i = 0; i < 20; i++) for (const work of works) await work();
  const until = performance.now() + budgetMs;
  for (let i = 0; i < 30 || performance.now() < until; i++)
    for (const [k, work] of works.entries()) times[k].push(await elapsedUs(work));
  return times;
}

async function costOf(scorer, model, inputsOf, width, dims, rows) {
  const { tensor } = model.manifest.inputs;
  const output = model.manifest.output.tensor;
  const bare = await InferenceSession.create(model.path, {
    ...{ executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 },
    ...{ executionMode: 'sequential', graphOptimizationLevel: 'all' },
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  const values = Float32Array.from({ length: rows * width }, (_, i) => 0.1 + ((i * 37) % 101) / 100);
  const inputs = inputsOf(values, rows);
  const run = () => bare.run({ [tensor]: new Tensor('float32', values, [rows, ...dims]) }, [output]);
  const score = () => scorer.score(model.key, inputs);
  const scoreRows = () => scorer.scoreRows(model.key, rows, values);
  const [bareUs, scorerUs, rowsUs] = await alternated([run, score, scoreRows], BUDGET_MS);
  const [bareMany, scorerMany, rowsMany] = await alternated(
    [
      async () => {
        for (let i = 0; i < IN_FLIGHT; i++) await run();
      },
      () => Promise.all(Array.from({ length: IN_FLIGHT }, score)),
      () => Promise.all(Array.from({ length: IN_FLIGHT }, scoreRows)),
    ],
    BUDGET_MS / 2,
  );
  await bare.release();
  const usual = median(bareUs);
  const many = median(bareMany);
  const against = (times, timesOfMany) => ({
    us: rounded(median(times), 0),
    ratio: rounded(median(times) / usual),
    throughputRatio: rounded(median(timesOfMany) / many),
  });
  return {
    rows,
    bareUs: rounded(usual, 0),
    // The batch as bare onnxruntime gets it, and as the pipeline has it: by the names of its features.
    matrix: against(rowsUs, rowsMany),
    named: against(scorerUs, scorerMany),
  };
}

/** The way to another thread and back, with nothing done there. */
async function hop() {
  const lane = SharedLane.create(64);
  const worker = new Worker(new URL('./support/lane-echo.js', import.meta.url), { workerData: lane.buffer });
  const message = { call: 1, values: new Float32Array(26) };
  const byMessage = () =>
    new Promise((resolve) => {
      worker.once('message', resolve);
      worker.postMessage(message);
    });
  await byMessage();
  const [laneUs, messageUs] = await alternated([() => lane.ask(), byMessage], 1500);
  lane.close();
  await worker.terminate();
  return { laneUs: rounded(median(laneUs), 0), messageUs: rounded(median(messageUs), 0) };
}

/** Every second 64 points ask on their own, as they do when their windows are full. */
async function live(scorer, model, metrics, seconds) {
  const { features } = model.manifest.inputs;
  const vectors = Array.from({ length: POINTS }, (_, k) =>
    Object.fromEntries(features.map((feature, i) => [feature, 0.1 + i + k / 100])),
  );
  const runs = async () =>
    (await metrics.registry.getSingleMetric('sm_edge_scoring_batches_total').get()).values.reduce(
      (sum, { value }) => sum + value,
      0,
    );
  const before = await runs();
  const waits = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let second = 0; second < seconds; second++) {
    const started = performance.now();
    await Promise.all(
      vectors.map(async (vector) => {
        await scorer.score(model.key, [vector]);
        waits.push(performance.now() - started);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1000 - (performance.now() - started)));
  }
  delay.disable();
  return {
    points: POINTS,
    seconds,
    runsPerSecond: rounded(((await runs()) - before) / seconds),
    answerP99Ms: rounded(percentile(waits, 0.99)),
    // The histogram's own timer adds its resolution of 1 ms.
    eventLoopDelayP99Ms: rounded(delay.percentile(99) / 1e6),
    eventLoopDelayMaxMs: rounded(delay.max / 1e6),
  };
}

const rssMb = () => {
  gc();
  return process.memoryUsage().rss / 1e6;
};

async function reloads(scorer, model) {
  const cycle = async (count) => {
    for (let i = 0; i < count; i++) {
      await scorer.release(model.key);
      await scorer.load(model);
    }
  };
  await cycle(20);
  const beforeMb = rssMb();
  await cycle(RELOADS);
  return {
    modelMb: rounded(model.manifest.file.sizeBytes / 1e6),
    reloads: RELOADS,
    growthMb: rounded(rssMb() - beforeMb, 1),
  };
}

/** Rows of features by name, as the pipeline has them. */
const vectorsOf = (features) => (values, rows) =>
  Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(features.map((feature, i) => [feature, values[row * features.length + i]])),
  );

const blocksOf = (width) => (values, rows) =>
  Array.from({ length: rows }, (_, row) => ({ samples: values.slice(row * width, (row + 1) * width) }));

export async function bench({ seconds = 10 } = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-'));
  const metrics = new Metrics();
  const scorer = new Scorer({ clock: systemClock, metrics, timeoutMs: 30_000 });
  try {
    const store = new ModelStore({
      ...{ bundledDir: BUNDLED_MODELS_DIR, localDir: folder, metrics },
      quarantine: quarantine(systemClock),
    });
    const bundled = await store.resolve(BUILTIN_MODEL);
    const { features } = bundled.manifest.inputs;
    const models = [
      { model: bundled, inputsOf: vectorsOf(features), width: features.length, dims: [features.length] },
      ...[forest(), autoencoder(), convolution()].map((of) => ({
        model: stored(folder, of),
        inputsOf: of.inputs.kind === 'block' ? blocksOf(of.width) : vectorsOf(of.inputs.features),
        width: of.width,
        dims: of.dims,
      })),
    ];
    const large = stored(folder, heavy());
    for (const model of [bundled, large]) await scorer.load(model);
    // First, while nothing else has left garbage behind that is collected meanwhile.
    const reloaded = { [bundled.name]: await reloads(scorer, bundled), heavy: await reloads(scorer, large) };
    const batches = {};
    for (const { model, inputsOf, width, dims } of models) {
      await scorer.load(model);
      batches[model.name] = [];
      for (const rows of ROWS)
        batches[model.name].push(await costOf(scorer, model, inputsOf, width, dims, rows));
    }
    return {
      hop: await hop(),
      batches,
      live: await live(scorer, bundled, metrics, seconds),
      reloads: reloaded,
    };
  } finally {
    await scorer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const result = await bench({ seconds: Number(process.argv[2] ?? 10) });
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}
