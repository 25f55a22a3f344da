// What learning a point does to a gateway that goes on measuring: four waveforms of 25.6 kHz are posted in real time, first
// without and then with a training under way in its child process. Delay of the event loop, windows and blocks that were
// left out, CPU time of the training.
//   node bench/run.js learning
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { gaussian, seededRandom } from '#sm/base/random.js';
import { parseConfig } from '#sm/config/load.js';
import { Gateway } from '#sm/gateway.js';
import { Trainer } from '#sm/pipeline/commissioning/trainer.js';
import { signalDocument } from '#sm/pipeline/live/signal-document.js';
import { DATABASE_FILE, Store } from '#sm/storage/store.js';

const RATE_HZ = 25_600;
const BLOCK = 2_560;
const CHANNELS = 4;
const ROWS = 10_000;
const FEATURES = 64;
const QUIET_S = 20;
const LEARNED = 'pump-9.de.acceleration';

async function fill(folder) {
  const store = await Store.open({ folder, clock: systemClock, metrics: new Metrics() });
  const random = seededRandom(3);
  const startMs = Date.now() - ROWS * 1000;
  const spec = { sampleRateHz: RATE_HZ, unit: 'g', quantity: 'acceleration', blockLength: RATE_HZ };
  await store.write({ documents: [signalDocument(LEARNED, spec)] });
  for (let from = 0; from < ROWS; from += 500) {
    const features = Array.from({ length: 500 }, (_, i) => {
      const load = gaussian(random);
      const names = Array.from({ length: FEATURES }, (_of, j) => [
        `f${j}`,
        10 + load * Math.sin(j) + 0.3 * gaussian(random),
      ]);
      return {
        point: LEARNED,
        timeMs: startMs + (from + i) * 1000,
        durationMs: 1000,
        features: Object.fromEntries(names),
      };
    });
    await store.write({ features });
  }
  await store.close();
}

async function countersOf(gateway) {
  const text = await gateway.metrics.registry.metrics();
  const of = (name) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return {
    blocks: of('sm_edge_pipeline_blocks_total'),
    windows: of('sm_edge_pipeline_windows_total'),
    leftOut: of('sm_edge_pipeline_skipped_total'),
    gaps: of('sm_edge_pipeline_gaps_total'),
  };
}

const differences = (after, before) =>
  Object.fromEntries(Object.entries(after).map(([key, value]) => [key, value - before[key]]));

/** What happens while `work` runs. */
async function during(gateway, work) {
  const before = await countersOf(gateway);
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const startMs = performance.now();
  loop.enable();
  await work();
  loop.disable();
  const ms = (ns) => Number((ns / 1e6).toFixed(2));
  return {
    seconds: Number(((performance.now() - startMs) / 1000).toFixed(1)),
    loopDelayMs: { p50: ms(loop.percentile(50)), p99: ms(loop.percentile(99)), max: ms(loop.max) },
    ...differences(await countersOf(gateway), before),
  };
}

export async function bench() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sm-edge-bench-learning-'));
  try {
    await fill(folder);
    const text = JSON.stringify({ gateway: { id: 'bench' }, storage: { path: folder } });
    const { config, hash } = parseConfig('gateway.yaml', text, {});
    const random = seededRandom(1);
    const options = { config, configHash: hash, clock: systemClock, random, logger: silentLogger };
    const gateway = new Gateway(options);
    await gateway.start();
    let stopped = false;
    let late = 0;
    const samples = Buffer.from(Float32Array.from({ length: BLOCK }, () => gaussian(random)).buffer);
    const posting = (async () => {
      const startMs = Date.now();
      for (let n = 0; !stopped; n++) {
        const dueMs = startMs + (n * BLOCK * 1000) / RATE_HZ;
        if (Date.now() - dueMs > 100) late++;
        await delay(Math.max(0, dueMs - Date.now()));
        const waveforms = Array.from({ length: CHANNELS }, (_, channel) => ({
          ...{ point: `pump-${channel}.de.acceleration`, unit: 'g', sampleRateHz: RATE_HZ },
          ...{ time: dueMs, sequence: n, samples: samples.toString('base64'), encoding: 'float32le' },
        }));
        await gateway.ingest({ waveforms }, undefined);
      }
    })();
    await delay(5_000);
    const without = await during(gateway, () => delay(QUIET_S * 1000));
    const trainer = new Trainer(systemClock);
    let trained;
    const withTraining = await during(gateway, async () => {
      trained = await trainer.train(
        {
          ...{ database: path.join(folder, DATABASE_FILE), to: path.join(folder, 'out'), point: LEARNED },
          ...{ name: 'bench', version: '1', gatewayId: 'bench', fromMs: 0, toMs: Date.now() },
          ...{ vouched: false, falseAlarmIntervalMs: 30 * 86_400_000, leastHealthyMs: 3_600_000 },
          createdAt: new Date().toISOString(),
          checkpoint: path.join(folder, 'checkpoint.json'),
        },
        () => undefined,
      );
    });
    stopped = true;
    await posting;
    await gateway.stop();
    return {
      rows: trained.rows,
      detector: trained.detector,
      blocksPostedLate: late,
      without,
      'while it learns': withTraining,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
