import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Trainer } from '#sm/pipeline/commissioning/trainer.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { LEAST_PRIORITY_MS } from '../../support/daemon.js';
import { featureRows, POINT, WINDOW_MS, writeFeatures } from '../../support/history.js';
import { StoreFolder } from '../../support/store.js';

it(
  'learns in a child process, state by state, goes on after a stop, and compares with the model in use',
  async () => {
    const made = await StoreFolder.create();
    const store = await made.open();
    const startMs = Date.now() - 3_600_000;
    await writeFeatures(store, featureRows(POINT, startMs, 300));
    // Two duties in turn, fifty windows each.
    const duty = (i: number) => (Math.floor(i / 50) % 2 === 0 ? 'low' : 'full');
    await store.write({
      scores: Array.from({ length: 300 }, (_, i) => ({
        ...{ point: POINT, timeMs: startMs + i * WINDOW_MS, model: 'baseline', version: '1' },
        ...{ score: 1, threshold: 6, anomalous: false, correlationId: 'c', state: duty(i) },
      })),
    });
    const request = (version: string) => ({
      ...{ database: made.file, to: join(made.folder, version), point: POINT, name: 'pump', version },
      ...{ fromMs: startMs, toMs: startMs + 300 * WINDOW_MS, vouched: false, gatewayId: 'gw-1' },
      ...{ falseAlarmIntervalMs: 3_600_000, leastHealthyMs: 60_000 },
      createdAt: '2026-11-21T09:30:00Z',
      checkpoint: join(made.folder, `checkpoint-${version}.json`),
    });
    const trainer = new Trainer(systemClock);
    let steps = 0;
    const stopped = trainer.train(request('1'), () => {
      steps++;
      trainer.stop();
    });
    expect(trainer.busy).toBe(true);
    await expect(trainer.train(request('1'), () => undefined)).rejects.toMatchObject({
      code: 'TRAINING_BUSY',
    });
    await expect(stopped).rejects.toMatchObject({ code: 'TRAINING_STOPPED', retryable: true });
    const done = JSON.parse(readFileSync(join(made.folder, 'checkpoint-1.json'), 'utf8')).trials.length;
    expect(done).toBeGreaterThanOrEqual(steps);

    let resumed = 0;
    const first = await trainer.train(request('1'), () => void resumed++);
    expect(first).toMatchObject({
      rows: 300,
      windows: 300,
      healthyMs: { low: 150 * WINDOW_MS, full: 150 * WINDOW_MS },
    });
    expect(first.states).toEqual([
      { state: 'low', rows: 150, threshold: 1, thin: true },
      { state: 'full', rows: 150, threshold: 1, thin: true },
    ]);
    expect(first.comparison).toBeUndefined();
    expect(first.healthy.windows).toHaveLength(24);
    expect(Object.keys((first.baselines as { states: object }).states)).toEqual(['low', 'full']);
    expect(existsSync(join(made.folder, 'checkpoint-1.json'))).toBe(false);
    expect(resumed).toBe(5);
    const path = join(made.folder, '1', 'model.onnx');
    const manifest = JSON.parse(readFileSync(join(made.folder, '1', 'manifest.json'), 'utf8'));
    await quarantine(systemClock)(path, manifest);
    expect(Object.keys(manifest.training.states)).toEqual(['low', 'full']);

    const second = await trainer.train(
      { ...request('2'), heldOut: 0.2, against: { path, manifest } },
      () => undefined,
    );
    expect(second.comparison).toMatchObject({
      rows: 60,
      falseAlarms: { before: 0 },
      taken: expect.any(Boolean),
    });
    expect(second.comparison!.detected.after).toBeGreaterThan(0.3);
    const learned = JSON.parse(readFileSync(join(made.folder, '2', 'manifest.json'), 'utf8'));
    expect(learned.training.samples).toBe(240);
    // The last fifth of each state was held out.
    expect(learned.training.states).toMatchObject({ low: { samples: 120 }, full: { samples: 120 } });
  },
  4 * LEAST_PRIORITY_MS,
);
