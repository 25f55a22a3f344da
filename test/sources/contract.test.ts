import { describe, expect, it, type TestContext } from 'vitest';
import { type Clock, systemClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { seededRandom } from '#sm/base/random.js';
import { sourceParts } from '#sm/sources/index.js';
import type { SignalBatch, Source, SourceStatus } from '#sm/sources/part.js';
import { KINDS, type Kind, type World } from './contract-worlds.js';
import { isState, memory, until } from './support.js';

// What holds for every source, whatever it speaks; each against a real far end.

/** Counts the timers that are set and not over. */
function watchedClock(): Clock & { readonly pending: Map<symbol, string> } {
  const pending = new Map<symbol, string>();
  return {
    pending,
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => systemClock.monotonicMs(),
    setTimer(name, delayMs, callback) {
      const key = Symbol(name);
      pending.set(key, name);
      const timer = systemClock.setTimer(name, delayMs, () => {
        pending.delete(key);
        callback();
      });
      return {
        name,
        cancel: () => {
          pending.delete(key);
          timer.cancel();
        },
      };
    },
  };
}

/** A value as it came: of a reading, or the first sample of a block. */
interface Value {
  readonly point: string;
  readonly timeMs: number;
  readonly unit: string;
  readonly quality: string;
  readonly value: number;
}

async function create({ part }: Kind, world: World) {
  const values: Value[] = [];
  const statuses: SourceStatus[] = [];
  const metrics = new Metrics();
  const clock = watchedClock();
  const sink = { refusing: false, refused: 0 };
  const take = ({ readings = [], blocks = [] }: SignalBatch) => {
    for (const { point, timeMs, unit, quality, value } of readings)
      values.push({ point, timeMs, unit, quality, value });
    for (const { point, startTimeMs, unit, quality, samples } of blocks)
      values.push({ point, timeMs: startTimeMs, unit, quality, value: samples[0]! });
  };
  const config = part.configSchema.parse({ id: 'one', type: part.type, ...world.config });
  const source: Source = await part.create(config, {
    gatewayId: 'gw-1',
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics,
    sink: {
      offer: take,
      deliver: async (batch: SignalBatch) => {
        if (sink.refusing) {
          sink.refused++;
          throw new SmEdgeError('STORE_FULL', 'the disk is full', { retryable: true });
        }
        take(batch);
      },
    },
    onStatus: (status: SourceStatus) => statuses.push(status),
    memory: memory(),
  });
  const good = () => values.filter(({ quality }) => quality === 'good');
  /** Feeds until the condition holds. */
  const feedUntil = (condition: () => unknown) =>
    until(async () => {
      await Promise.resolve(world.feed(source)).catch(() => undefined);
      await condition();
    });
  /** Waits for `count` further good values. */
  const more = (count: number) => {
    const wanted = good().length + count;
    return feedUntil(() => expect(good().length).toBeGreaterThanOrEqual(wanted));
  };
  return { source, values, good, statuses, metrics, clock, sink, more, feedUntil };
}

it('is run on every kind of source that there is', () => {
  const types = new Set(KINDS.map(({ part }) => part.type));
  expect([...types].sort()).toEqual(sourceParts.map(({ type }) => type).sort());
});

for (const kind of KINDS) {
  const suite = kind.available ? describe.concurrent : describe.skip;
  suite(`the contract of a source: ${kind.name}`, () => {
    const make = async ({ onTestFinished }: TestContext) => {
      const world = await kind.make();
      const one = await create(kind, world);
      onTestFinished(async () => {
        await one.source.stop();
        await world.stop();
      });
      return { world, ...one };
    };

    it('lives its whole life: absent, there, spoiled, lost, found, stopped', async (context) => {
      const { world, source, values, good, statuses, metrics, clock, more, feedUntil } = await make(context);
      const fromMs = Date.now();
      expect(source.status).toMatchObject({ state: 'starting', reason: '' });

      // It starts whether or not its far end is there, and finds it when it comes.
      await source.start();
      if (world.link !== undefined) {
        await until(() => expect(['degraded', 'failed']).toContain(source.status.state));
        expect(source.status.reason.length).toBeGreaterThan(10);
        expect(good()).toHaveLength(0);
        await world.link.up();
      }
      await more(3);
      await isState(source, 'good');
      expect(source.status.reason).toBe('');

      // Every value has its point, unit and time, in order.
      for (const { point, unit, value, timeMs } of good()) {
        expect([point, unit]).toEqual([world.point, world.unit]);
        expect(Number.isFinite(value)).toBe(true);
        expect(timeMs).toBeGreaterThan(fromMs - 5_000);
        expect(timeMs).toBeLessThan(Date.now() + 1_000);
      }
      const times = good().map(({ timeMs }) => timeMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));

      // What cannot be used is counted, gives no value, and stops nothing.
      if (world.spoil !== undefined) {
        const before = good().length;
        await world.spoil(source);
        await more(1);
        expect(good().length).toBeGreaterThan(before);
        for (const { value } of good()) expect(Number.isFinite(value)).toBe(true);
        await feedUntil(() => expect(source.status.state).toBe('good'));
      }

      // A far end that is lost is told with a reason, and found again without help.
      if (world.link !== undefined) {
        await world.link.down();
        await until(() => expect(['degraded', 'failed']).toContain(source.status.state));
        expect(source.status.reason.length).toBeGreaterThan(10);
        await world.link.up();
        await more(2);
        await feedUntil(() => expect(source.status.state).toBe('good'));
      }

      // Each change of state was told once, with its time.
      for (const [index, { state, reason, sinceMs }] of statuses.entries()) {
        const before = statuses[index - 1];
        expect([state, reason]).not.toEqual([before?.state, before?.reason]);
        if (before?.state === state) expect(sinceMs).toBe(before.sinceMs);
        expect(sinceMs).toBeGreaterThanOrEqual(fromMs);
        if (state !== 'good' && state !== 'stopped') expect(reason).not.toBe('');
      }

      // After the end nothing comes any more, and no timer is left.
      await source.stop();
      expect(source.status.state).toBe('stopped');
      const count = values.length;
      await source.stop();
      expect([...clock.pending.values()]).toEqual([]);
      await Promise.resolve(world.feed(source)).catch(() => undefined);
      expect(values).toHaveLength(count);

      // Counters are named after the gateway and tell whose they are.
      for (const metric of await metrics.registry.getMetricsAsJSON()) {
        expect(metric.name).toMatch(/^sm_edge_[a-z_]+$/);
        // What happens on a line that several sources may share is counted for the line.
        for (const { labels } of metric.values)
          expect(labels).toMatchObject('link' in labels ? { link: expect.any(String) } : { source: 'one' });
      }
    });

    it('stops while its far end is away', async (context) => {
      const { source, clock } = await make(context);
      await source.start();
      await source.stop();
      expect(source.status.state).toBe('stopped');
      expect([...clock.pending.values()]).toEqual([]);
    });

    it('is not the end of it when the store refuses', async (context) => {
      const { world, source, good, sink, more } = await make(context);
      await world.link?.up();
      await source.start();
      await more(1);
      sink.refusing = true;
      const taken = good().length;
      for (let i = 0; i < 5; i++) await Promise.resolve(world.feed(source)).catch(() => undefined);
      // Sources that nobody waits for offer, and are not asked to come again.
      if (sink.refused > 0) expect(good()).toHaveLength(taken);
      sink.refusing = false;
      await more(1);
    });
  });
}
