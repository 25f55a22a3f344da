import { describe, expect, it } from 'vitest';
import { ManualClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { SteadyClock } from '#sm/base/steady-clock.js';
import type { Reading } from '#sm/signals/reading.js';
import { Intake } from '#sm/sources/intake/intake.js';
import type { SignalBatch } from '#sm/sources/part.js';
import { serialConfigSchema } from '#sm/sources/serial/config.js';

const START = Date.UTC(2026, 5, 1);

const config = (overload: object) =>
  serialConfigSchema.parse({
    id: 's',
    type: 'serial',
    path: '/dev/ttyS0',
    framing: { kind: 'line' },
    messages: [{ point: 'm.x', payload: { kind: 'number', unit: 'A' } }],
    overload,
  });

/** A store that takes nothing while it is shut. */
function setup(overload: object) {
  const clock = new ManualClock(START);
  const metrics = new Metrics();
  const stored: Reading[] = [];
  const blocks: string[] = [];
  const analysed: SignalBatch[] = [];
  const store = { open: true, pressure: 0, final: false };
  const intake = new Intake(config(overload), {
    source: 's',
    clock: new SteadyClock(clock),
    random: seededRandom(1),
    metrics,
    sink: {
      analyse: async (batch) => void analysed.push(batch),
      pressure: () => store.pressure,
      store: async (batch) => {
        if (!store.open) throw new SmEdgeError('STORE_BUSY', 'busy', { retryable: !store.final });
        stored.push(...(batch.readings ?? []));
        blocks.push(...(batch.blocks ?? []).map(({ point }) => point));
      },
    },
  });
  const dropped = async (policy: string) => {
    const metric = await metrics.registry.getSingleMetric('sm_edge_source_overload_dropped_total')?.get();
    return (metric?.values ?? [])
      .filter(({ labels }) => labels.policy === policy)
      .reduce((sum, v) => sum + v.value, 0);
  };
  const offer = (from: number, to: number, point = 'm.x') => {
    for (let value = from; value < to; value++)
      intake.offer({ readings: [{ point, timeMs: START + value, value, unit: 'A', quality: 'good' }] });
  };
  return { clock, intake, stored, blocks, analysed, store, dropped, offer };
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

async function overloaded(overload: object) {
  const one = setup({ maxReadings: 100, ...overload });
  one.store.open = false;
  one.offer(0, 500);
  await settle();
  one.store.open = true;
  one.clock.advance(20_000);
  await settle();
  return { ...one, values: one.stored.map(({ value }) => value).sort((a, b) => a - b) };
}

describe('the door of a source', () => {
  it('hands on to the analysis at once and to the store as it can', async () => {
    const { stored, analysed, offer, store, clock } = setup({});
    store.open = false;
    offer(0, 10);
    await settle();
    expect(analysed).toHaveLength(10);
    expect(stored).toEqual([]);
    store.open = true;
    clock.advance(500);
    await settle();
    expect(stored.map(({ value }) => value).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('drops the oldest', async () => {
    const { values, dropped } = await overloaded({ policy: 'discard-oldest' });
    expect(values.at(-1)).toBe(499);
    expect(values.length + (await dropped('discard-oldest'))).toBe(500);
    expect(values[0]).toBeGreaterThan(390);
  });

  it('drops the newest', async () => {
    const { values, dropped } = await overloaded({ policy: 'discard-newest' });
    expect(values[0]).toBe(0);
    expect(values.length + (await dropped('discard-newest'))).toBe(500);
    expect(values.at(-1)).toBeLessThan(200);
  });

  it('thins what waits, from end to end', async () => {
    const { values, dropped } = await overloaded({ policy: 'reduce-fidelity' });
    expect(values.length + (await dropped('reduce-fidelity'))).toBe(500);
    expect(values.at(-1)).toBe(499);
    // Reaches further back than the same room holds at full rate.
    expect(values[0]).toBeLessThan(300);
  });

  it('goes by the policy of the point', async () => {
    const overload = {
      policy: 'discard-oldest',
      maxReadings: 100,
      points: [{ points: ['m.kept'], policy: 'discard-newest' }],
    };
    const { store, offer, clock, stored } = setup(overload);
    store.open = false;
    offer(0, 20, 'm.kept');
    offer(0, 500, 'm.x');
    await settle();
    store.open = true;
    clock.advance(20_000);
    await settle();
    expect(stored.filter(({ point }) => point === 'm.kept')).toHaveLength(20);
    expect(stored).toHaveLength(stored.filter(({ point }) => point === 'm.x').length + 20);
  });

  it('keeps features and drops raw waveforms while the store is behind', async () => {
    const { intake, store, blocks, analysed, dropped } = setup({
      points: [{ points: ['m.raw'], policy: 'discard-oldest' }],
    });
    const block = (point: string) => ({
      point,
      startTimeMs: START,
      sampleRateHz: 1000,
      unit: 'g',
      samples: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
      quality: 'good' as const,
    });
    await intake.deliver({ blocks: [block('m.a'), block('m.raw')] });
    expect(blocks).toEqual(['m.a', 'm.raw']);
    store.pressure = 0.9;
    await intake.deliver({ blocks: [block('m.a'), block('m.raw')] });
    expect(blocks).toEqual(['m.a', 'm.raw', 'm.raw']);
    expect(analysed.flatMap((batch) => batch.blocks ?? [])).toHaveLength(4);
    expect(await dropped('reduce-fidelity')).toBe(1);
  });

  it('does not acknowledge what the store refused', async () => {
    const { intake, store } = setup({});
    store.open = false;
    await expect(intake.deliver({ readings: [] })).rejects.toMatchObject({ code: 'STORE_BUSY' });
  });

  it('lets what the store will never take not stand in the way', async () => {
    const { offer, store, stored, intake } = setup({});
    store.open = false;
    store.final = true;
    offer(0, 3);
    await settle();
    store.open = true;
    offer(3, 4);
    await settle();
    expect(stored.map(({ value }) => value)).toEqual([3]);
    await intake.drain();
  });
});
