import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { createExtractor } from '#sm/features/extractor.js';
import { AnalysisClient } from '#sm/pipeline/analysis/client.js';
import { SampleRing } from '#sm/signals/ring-buffer.js';

const spec = { sampleRateHz: 12_800, blockLength: 4096, unit: 'g', quantity: 'acceleration', speedRpm: 1500 };

let client: AnalysisClient | undefined;
afterEach(() => client?.close());

describe('AnalysisClient', () => {
  it('gives the features of a window of a ring, computed in its own thread', async () => {
    client = new AnalysisClient({ clock: systemClock, metrics: new Metrics() });
    const ring = SampleRing.create(20_000);
    const samples = Float32Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 9) + Math.cos(i / 3.3));
    ring.write(samples);
    const extractor = await createExtractor(spec);
    for (const from of [0, 1000, 5904])
      expect(await client.extract(ring, from, 4096, spec)).toEqual(
        extractor.extract(samples.subarray(from, from + 4096)),
      );
    expect((await client.diagnose(ring, 0, 4096, spec)).fault).toBeTypeOf('string');
  });

  it('passes on why a window cannot be had, and goes on', async () => {
    const metrics = new Metrics();
    client = new AnalysisClient({ clock: systemClock, metrics });
    const ring = SampleRing.create(5000);
    ring.write(new Float32Array(9000));
    await expect(client.extract(ring, 0, 4096, spec)).rejects.toMatchObject({ code: 'RING_OVERRUN' });
    await expect(client.extract(ring, 8000, 4096, spec)).rejects.toMatchObject({ code: 'RING_WINDOW' });
    ring.markGap();
    ring.write(new Float32Array(1000));
    await expect(client.extract(ring, 5904, 4096, spec)).rejects.toMatchObject({ code: 'RING_GAP' });
    expect((await client.extract(ring, 5000, 4000, spec)).rms).toBe(0);
    expect(await metrics.registry.metrics()).toContain('outcome="RING_GAP"} 1');
  });

  it('refuses more than it may hold', async () => {
    client = new AnalysisClient({ clock: systemClock, metrics: new Metrics(), maxPending: 1 });
    const ring = SampleRing.create(5000);
    ring.write(new Float32Array(5000));
    const first = client.extract(ring, 0, 4096, spec);
    await expect(client.extract(ring, 0, 4096, spec)).rejects.toMatchObject({ code: 'WORKER_BUSY' });
    await first;
  });
});
