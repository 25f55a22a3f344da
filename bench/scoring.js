// What scoring through the worker costs against a bare onnxruntime-node run() of the same batch, how late the event
// loop gets while 64 points score once a second (here: as fast as they go), and what 200 reloads leave in memory.
// usage: npm run build && node --expose-gc bench/scoring.js      prints one JSON document
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { BUNDLED_MODELS_DIR, ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { BUILTIN_MODEL } from '#sm/scoring/selection.js';

const RUNS = 2000;
const RELOADS = 200;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const rssMb = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1e6;
};

async function timed(run) {
  for (let i = 0; i < 200; i++) await run();
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    await run();
    times.push((performance.now() - started) * 1000);
  }
  return median(times);
}

const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-'));
const store = new ModelStore({
  bundledDir: BUNDLED_MODELS_DIR,
  localDir: folder,
  quarantine: quarantine(systemClock),
  metrics: new Metrics(),
});
const model = await store.resolve(BUILTIN_MODEL);
const { features } = model.manifest.inputs;
const scorer = new Scorer({ clock: systemClock, metrics: new Metrics() });
await scorer.load(model);
const bare = await InferenceSession.create(model.path, { intraOpNumThreads: 1 });

const batches = [];
for (const rows of [1, 16, 64, 256]) {
  const vectors = Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(features.map((feature, i) => [feature, 0.1 + row + i])),
  );
  const values = Float32Array.from(vectors.flatMap((vector) => Object.values(vector)));
  const bareUs = await timed(() =>
    bare.run({ features: new Tensor('float32', values, [rows, features.length]) }, ['score']),
  );
  const scorerUs = await timed(() => scorer.score(model.key, vectors));
  batches.push({
    rows,
    bareUs: Math.round(bareUs),
    scorerUs: Math.round(scorerUs),
    ratio: Number((scorerUs / bareUs).toFixed(2)),
  });
}

const vectors = Array.from({ length: 64 }, () => Object.fromEntries(features.map((feature) => [feature, 1])));
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const until = performance.now() + 3000;
while (performance.now() < until) {
  await scorer.score(model.key, vectors);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
delay.disable();

for (let i = 0; i < 20; i++) {
  await scorer.release(model.key);
  await scorer.load(model);
}
const beforeMb = rssMb();
for (let i = 0; i < RELOADS; i++) {
  await scorer.release(model.key);
  await scorer.load(model);
}
const afterMb = rssMb();
await scorer.close();
rmSync(folder, { recursive: true, force: true });

console.log(
  JSON.stringify(
    {
      node: process.version,
      batches,
      // The histogram's own timer adds its resolution of 1 ms.
      eventLoopDelayP99Ms: Number((delay.percentile(99) / 1e6).toFixed(2)),
      reloads: RELOADS,
      memoryGrowthMb: Number((afterMb - beforeMb).toFixed(1)),
    },
    null,
    2,
  ),
);
