import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Metrics } from '#sm/base/metrics.js';
import { threadWrittenBytes, WriteMeter } from '#sm/storage/write-meter.js';
import { StoreFolder } from '../support/store.js';

const MIB = 2 ** 20;
const MINUTE = 60_000;
const DAY = 86_400_000;

async function gauges(metrics: Metrics) {
  const text = await metrics.registry.metrics();
  const of = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  return {
    total: of('sm_edge_storage_written_bytes'),
    perDay: of('sm_edge_storage_written_bytes_per_day'),
  };
}

describe('what the store writes', () => {
  it('is counted over restarts of the storage thread, and extrapolated to a day', async () => {
    const metrics = new Metrics();
    const meter = new WriteMeter(metrics);
    meter.sample(0, 10 * MIB);
    expect((await gauges(metrics)).perDay).toBe(0);
    meter.sample(20_000, 11 * MIB);
    // Twenty seconds say nothing of a day.
    expect(await gauges(metrics)).toEqual({ total: 11 * MIB, perDay: 0 });
    meter.sample(MINUTE, 16 * MIB);
    expect(await gauges(metrics)).toEqual({ total: 16 * MIB, perDay: 6 * MIB * 1_440 });
    // A thread that was started anew counts from nothing.
    meter.sample(2 * MINUTE, 1 * MIB);
    expect(await gauges(metrics)).toEqual({ total: 17 * MIB, perDay: (7 * MIB * 1_440) / 2 });
    meter.sample(3 * MINUTE, 4 * MIB);
    expect((await gauges(metrics)).total).toBe(20 * MIB);
  });

  it('tells the rate of the last day alone', async () => {
    const metrics = new Metrics();
    const meter = new WriteMeter(metrics);
    let bytes = 0;
    for (let minute = 0; minute <= 2 * 1_440; minute++) {
      meter.sample(minute * MINUTE, bytes);
      bytes += minute < 1_440 ? 100 * MIB : MIB;
    }
    const { perDay } = await gauges(metrics);
    expect(perDay).toBeGreaterThan(0.99 * 1_440 * MIB);
    expect(perDay).toBeLessThan(1.01 * 1_440 * MIB + 100 * MIB);
    expect(DAY / MINUTE).toBe(1_440);
  });

  it('is left alone where the kernel does not tell', async () => {
    const metrics = new Metrics();
    new WriteMeter(metrics).sample(MINUTE, undefined);
    expect(await gauges(metrics)).toEqual({ total: 0, perDay: 0 });
  });

  it.skipIf(process.platform !== 'linux')('is what the kernel counted for the thread', () => {
    const before = threadWrittenBytes();
    if (before === undefined) return;
    const path = join(tmpdir(), `sm-edge-meter-${process.pid}`);
    const file = openSync(path, 'w');
    try {
      writeSync(file, Buffer.alloc(4 * MIB, 1));
      fsyncSync(file);
      expect(threadWrittenBytes()! - before).toBeGreaterThanOrEqual(4 * MIB);
      expect(threadWrittenBytes()! - before).toBeLessThan(8 * MIB);
    } finally {
      closeSync(file);
      rmSync(path);
    }
  });

  it.skipIf(process.platform !== 'linux')('comes with each retention of a store', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const keepMs = {
      waveforms: DAY,
      readings: DAY,
      features: DAY,
      minutes: DAY,
      hours: DAY,
      days: DAY,
      events: DAY,
    };
    const request = { nowMs: 0, budgetBytes: Number.MAX_SAFE_INTEGER, keepMs };
    const before = (await store.retention(request)).writtenBytes;
    const samples = Float32Array.from({ length: 500_000 }, (_, i) => Math.sin(i * i));
    await store.write({
      blocks: [{ point: 'a.b', startTimeMs: 1, sampleRateHz: 25_600, unit: 'g', samples, quality: 'good' }],
    });
    const after = (await store.retention(request)).writtenBytes;
    if (before === undefined || after === undefined) return;
    expect(after - before).toBeGreaterThan(1.5 * MIB);
    expect((await gauges(folder.metrics)).total).toBe(after);
  });
});
