import { beforeEach, describe, expect, it } from 'vitest';
import { Metrics } from '#sm/base/metrics.js';
import { type CaptureCause, Captures } from '#sm/pipeline/live/captures.js';
import { Channel } from '#sm/pipeline/live/channel.js';
import { RingBudget } from '#sm/signals/ring-budget.js';
import type { Store } from '#sm/storage/store.js';
import { StoreFolder } from '../../support/store.js';

const RATE = 1000;
const POINT = 'pump-1.de.acceleration';
const T0 = 1_700_000_000_000;
const SPEC = { sampleRateHz: RATE, unit: 'g', quantity: 'acceleration', blockLength: 100 };

let store: Store;
let metrics: Metrics;

beforeEach(async () => {
  const folder = await StoreFolder.create();
  store = await folder.open();
  metrics = new Metrics();
});

/** A channel whose sample n has the value n, and what feeds it. */
function feed() {
  const ring = new RingBudget(2 ** 24).create(POINT, { sampleRateHz: RATE, durationMs: 4000 });
  const channel = new Channel(POINT, SPEC, ring);
  let at = 0;
  return {
    channel,
    push(length: number) {
      const samples = Float32Array.from({ length }, (_, i) => at + i);
      channel.push({
        point: POINT,
        startTimeMs: T0 + at,
        sampleRateHz: RATE,
        unit: 'g',
        samples,
        quality: 'good',
      });
      at += length;
    },
  };
}

const cause = (n: number): CaptureCause => ({
  trigger: 'anomaly',
  timeMs: T0 + n,
  correlationId: `happening-${n}`,
  eventId: `event-${n}`,
});
const captures = (beforeMs = 1000, afterMs = 500) => new Captures({ store, metrics, beforeMs, afterMs });

describe('captures', () => {
  it('stores the signal before and after an event, with the event', async () => {
    const { channel, push } = feed();
    push(2000);
    const all = captures();
    await all.begin(channel, cause(1), false);
    expect(all.running).toBe(1);
    push(400);
    expect(all.advance(channel)).toBeUndefined();
    push(400);
    await all.advance(channel);
    expect(all.running).toBe(0);
    const [record, ...others] = await all.list({ point: POINT });
    expect(others).toEqual([]);
    expect(record).toMatchObject({
      point: POINT,
      startTimeMs: T0 + 1000,
      durationMs: 1500,
      triggerTimeMs: T0 + 2000,
      samples: 1500,
      cut: [],
      causes: [cause(1)],
    });
    const { startTimeMs, durationMs } = record!;
    const blocks = await store.blocks(POINT, startTimeMs, startTimeMs + durationMs, 100);
    expect(blocks.flatMap(({ samples }) => [...samples])).toEqual(
      Array.from({ length: 1500 }, (_, i) => 1000 + i),
    );
  });

  it('joins the causes that come while it runs, and begins anew after that', async () => {
    const { channel, push } = feed();
    push(2000);
    const all = captures();
    await all.begin(channel, cause(1), false);
    push(100);
    await all.begin(channel, cause(2), false);
    push(600);
    await all.advance(channel);
    await all.begin(channel, cause(3), false);
    await all.stop();
    const records = await all.list();
    expect(records.map(({ causes }) => causes.map(({ eventId }) => eventId))).toEqual([
      ['event-3'],
      ['event-1', 'event-2'],
    ]);
    // The second one ended with the gateway.
    expect(records[0]).toMatchObject({ cut: ['ended'], samples: 1000 });
  });

  it('stores the link alone where the blocks are stored as they come', async () => {
    const { channel, push } = feed();
    push(2000);
    const all = captures(1000, 0);
    await all.begin(channel, cause(1), true);
    expect(await all.list({ point: POINT })).toHaveLength(1);
    expect(await store.blocks(POINT, 0, T0 + 10_000, 100)).toEqual([]);
  });

  it('keeps the newest 32 records of a point, over a restart too', async () => {
    const { channel, push } = feed();
    push(2000);
    let all = captures(5, 0);
    for (let n = 0; n < 40; n++) {
      push(10);
      if (n % 10 === 0) all = captures(5, 0);
      await all.begin(channel, cause(n), false);
    }
    const records = await captures().list({ point: POINT });
    expect(records).toHaveLength(32);
    expect(records[0]!.causes[0]!.eventId).toBe('event-39');
    expect(records[31]!.causes[0]!.eventId).toBe('event-8');
  });

  it('keeps all of several that are stored at the same time', async () => {
    const { channel, push } = feed();
    push(2000);
    const all = captures(5, 0);
    await Promise.all([1, 2, 3].map((n) => all.begin(channel, cause(n), false)));
    const kept = (await all.list()).map(({ causes }) => causes[0]!.eventId);
    expect(kept.sort()).toEqual(['event-1', 'event-2', 'event-3']);
  });

  it('refuses more than the memory for captures holds', async () => {
    const { channel, push } = feed();
    push(2000);
    const all = captures(1000, 20_000_000);
    await all.begin(channel, cause(1), false);
    expect(all.running).toBe(0);
    expect(await metrics.registry.metrics()).toMatch(/sm_edge_captures_total\{outcome="refused"\} 1/);
  });
});
