import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { seededRandom } from '#sm/base/random.js';
import { EventBus, type Subscription } from '#sm/events/bus.js';
import type { EventType, GatewayEvent } from '#sm/events/event.js';
import type { Store } from '#sm/storage/store.js';
import { StoreFolder } from '../support/store.js';
import { until } from '../support/until.js';

const RETRY = { initialMs: 100, maxMs: 10_000, factor: 10, jitter: 0, limit: 3 };

const buses: EventBus[] = [];
const releases: (() => void)[] = [];

afterEach(async () => {
  for (const release of releases.splice(0)) release();
  await Promise.all(buses.splice(0).map((bus) => bus.stop()));
});

function busOn(folder: StoreFolder, store: Store, clock = systemClock as ManualClock | typeof systemClock) {
  const bus = new EventBus({
    gatewayId: 'gw-test',
    clock,
    random: seededRandom(1),
    newId: idGenerator(clock, seededRandom(2)),
    logger: silentLogger,
    metrics: folder.metrics,
    journal: store.journal,
  });
  buses.push(bus);
  const publish = (numbers: readonly number[], type: EventType = 'AlarmRaised') =>
    bus.publish(
      numbers.map((number) => ({ type, correlationId: `c${number}`, payload: { number } })),
      (events) => store.write({ events }),
    );
  return { bus, publish };
}

/** A subscriber that remembers what it got. */
function collector(name: string, options: Partial<Subscription> = {}) {
  const got: number[] = [];
  const handler = async (event: GatewayEvent) => {
    got.push(Number(event.payload.number));
  };
  return { got, subscription: { name, handler, ...options } };
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

async function metric(folder: StoreFolder, line: string): Promise<void> {
  await until(async () => expect((await folder.metrics.registry.metrics()).split('\n')).toContain(line));
}

describe('publishing', () => {
  it('journals the whole envelope before it delivers', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    const journaled: boolean[] = [];
    const delivered: GatewayEvent[] = [];
    await bus.subscribe({
      name: 'a',
      handler: async (event) => {
        delivered.push(event);
        journaled.push((await store.journal.read(0, 10)).some((row) => row.event.id === event.id));
      },
    });
    const published = await publish([1]);
    await until(() => expect(journaled).toEqual([true]));
    expect(delivered).toEqual(published);
    expect(published[0]).toMatchObject({
      type: 'AlarmRaised',
      version: 1,
      gatewayId: 'gw-test',
      correlationId: 'c1',
      payload: { number: 1 },
    });
    expect(published[0]?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('fails when the commit fails, and nobody hears of the event', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    const { got, subscription } = collector('a');
    await bus.subscribe(subscription);
    const draft = { type: 'AlarmRaised' as const, correlationId: 'c', payload: { number: 1 } };
    await expect(bus.publish([draft], () => Promise.reject(new Error('no room')))).rejects.toThrow('no room');
    await publish([2]);
    await until(() => expect(got).toEqual([2]));
    expect((await store.journal.read(0, 10)).map(({ event }) => event.payload)).toEqual([{ number: 2 }]);
  });
});

describe('delivery', () => {
  it('gives every subscriber every event, in the order of the journal', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    const subscribers = ['a', 'b'].map((name) => collector(name));
    for (const { subscription } of subscribers) await bus.subscribe(subscription);
    await Promise.all([publish(numbers(0, 150)), publish(numbers(150, 50)), publish(numbers(200, 1))]);
    const order = (await store.journal.read(0, 1000)).map(({ event }) => event.payload.number);
    expect(order.length).toBe(201);
    for (const { got } of subscribers) await until(() => expect(got).toEqual(order));
    await metric(folder, 'sm_edge_events_delivered_total{subscriber="a"} 201');
    await metric(folder, 'sm_edge_events_lag{subscriber="a"} 0');
  });

  it('gives a subscriber the types that it asked for', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    const { got, subscription } = collector('a', { types: ['ModelPromoted'] });
    await bus.subscribe(subscription);
    await publish([1]);
    await publish([2], 'ModelPromoted');
    await until(() => expect(got).toEqual([2]));
    await metric(folder, 'sm_edge_events_lag{subscriber="a"} 0');
  });

  it('begins with what is published from now on', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    await publish([1]);
    const { got, subscription } = collector('late');
    await bus.subscribe(subscription);
    await publish([2]);
    await until(() => expect(got).toEqual([2]));
  });

  it('goes on from the durable cursor after a restart, and repeats what was not taken', async () => {
    const folder = await StoreFolder.create();
    let store = await folder.open();
    const first = busOn(folder, store);
    const before = collector('a');
    await first.bus.subscribe(before.subscription);
    await publishAndStop();
    expect(before.got).toEqual([0, 1, 2]);

    store = await folder.reopen();
    const second = busOn(folder, store);
    const after = collector('a');
    await second.bus.subscribe(after.subscription);
    await second.publish([5]);
    await until(() => expect(after.got).toEqual([3, 4, 5]));

    async function publishAndStop() {
      await first.publish([0, 1, 2]);
      await until(async () => expect(await store.journal.cursor('a')).toBe(3));
      await first.bus.stop();
      await first.publish([3, 4]);
    }
  });

  it('delivers again what a killed process had not finished', async () => {
    const folder = await StoreFolder.create();
    let store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    const begun: number[] = [];
    await bus.subscribe({
      name: 'a',
      handler: (event) => {
        begun.push(Number(event.payload.number));
        // Never done: the process ends in the middle of it.
        return new Promise((resolve) => releases.push(resolve));
      },
    });
    await publish([1]);
    await until(() => expect(begun).toEqual([1]));
    store = await folder.reopen();
    const after = collector('a');
    await busOn(folder, store).bus.subscribe(after.subscription);
    await until(() => expect(after.got).toEqual([1]));
  });

  it('lets a subscription of the same name take over', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    const [old, young] = [collector('a'), collector('a')];
    const endOld = await bus.subscribe(old.subscription);
    await publish([1]);
    await until(() => expect(old.got).toEqual([1]));
    const endYoung = await bus.subscribe(young.subscription);
    await endOld();
    await publish([2]);
    await until(() => expect(young.got).toEqual([2]));
    await endYoung();
    await publish([3]);
    const again = collector('a');
    await bus.subscribe(again.subscription);
    await until(() => expect(again.got).toEqual([3]));
    expect([old.got, young.got]).toEqual([[1], [2]]);
  });

  it('goes on with the first event of a journal that began anew', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const { bus, publish } = busOn(folder, store);
    await publish(numbers(0, 5));
    const { got, subscription } = collector('a');
    // As it is when a damaged database was replaced: the cursor in memory is ahead of the new file.
    let replaced = false;
    const journal = store.journal;
    const stale = new EventBus({
      gatewayId: 'gw-test',
      clock: systemClock,
      random: seededRandom(1),
      newId: idGenerator(systemClock, seededRandom(3)),
      logger: silentLogger,
      metrics: folder.metrics,
      journal: {
        ...journal,
        head: async () => (replaced ? await journal.head() : 1000),
      },
    });
    buses.push(stale);
    await stale.subscribe(subscription);
    replaced = true;
    await stale.publish([{ type: 'StorageDegraded', correlationId: 'c', payload: { number: 5 } }], (events) =>
      store.write({ events }),
    );
    await until(() => expect(got).toEqual(numbers(0, 6)));
    await bus.stop();
  });
});

describe('a subscriber that fails', () => {
  it('gets the event again with growing pauses, and those behind it afterwards', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const clock = new ManualClock(1_700_000_000_000);
    const { bus, publish } = busOn(folder, store, clock);
    const tries: [number, number][] = [];
    await bus.subscribe({
      name: 'shaky',
      retry: RETRY,
      handler: async (event) => {
        const number = Number(event.payload.number);
        tries.push([number, clock.monotonicMs()]);
        if (number === 1 && tries.length < 3) throw new Error('not now');
      },
    });
    await publish([1, 2]);
    for (const [count, ms] of [
      [1, 100],
      [2, 1000],
    ] as const) {
      await until(() => expect(clock.pendingTimers).toContain('retry of shaky'));
      expect(tries.length).toBe(count);
      clock.advance(ms - 1);
      expect(clock.pendingTimers).toContain('retry of shaky');
      clock.advance(1);
    }
    await until(() =>
      expect(tries).toEqual([
        [1, 0],
        [1, 100],
        [1, 1100],
        [2, 1100],
      ]),
    );
    expect(await store.journal.deadLetters(10)).toEqual([]);
    await metric(folder, 'sm_edge_events_failed_total{subscriber="shaky"} 2');
  });

  it('loses the event to the dead letters after the limit, and goes on', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const clock = new ManualClock(1_700_000_000_000);
    const { bus, publish } = busOn(folder, store, clock);
    const tries: number[] = [];
    await bus.subscribe({
      name: 'broken',
      retry: RETRY,
      handler: (event) => {
        tries.push(Number(event.payload.number));
        // Thrown, not rejected: both are failures.
        if (event.payload.number === 1) throw new Error('never');
        return Promise.resolve();
      },
    });
    const [poison] = await publish([1, 2]);
    for (let attempt = 1; attempt <= RETRY.limit; attempt++) {
      await until(() => expect(clock.pendingTimers).toContain('retry of broken'));
      clock.advance(RETRY.maxMs);
    }
    await until(() => expect(tries).toEqual([1, 1, 1, 1, 2]));
    const [letter] = await store.journal.deadLetters(10);
    expect(letter).toMatchObject({ subscriber: 'broken', event: poison, error: 'INTERNAL: never' });
    await metric(folder, 'sm_edge_events_dead_total{subscriber="broken"} 1');
    await store.journal.removeDeadLetter(letter!.id);
    expect(await store.journal.deadLetters(10)).toEqual([]);
  });

  it('that hangs holds up nobody else, shows as lag, and fails at its deadline', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const clock = new ManualClock(1_700_000_000_000);
    const { bus, publish } = busOn(folder, store, clock);
    let calls = 0;
    await bus.subscribe({
      name: 'hung',
      timeoutMs: 30_000,
      retry: RETRY,
      handler: () => {
        calls++;
        return calls === 1 ? new Promise(() => undefined) : Promise.resolve();
      },
    });
    const { got, subscription } = collector('fine');
    await bus.subscribe(subscription);
    await publish([1, 2, 3]);
    await until(() => expect(got).toEqual([1, 2, 3]));
    await metric(folder, 'sm_edge_events_lag{subscriber="hung"} 3');
    await metric(folder, 'sm_edge_events_lag{subscriber="fine"} 0');
    expect(calls).toBe(1);
    clock.advance(30_000);
    await until(() => expect(clock.pendingTimers).toContain('retry of hung'));
    clock.advance(RETRY.initialMs);
    await until(() => expect(calls).toBe(4));
    await metric(folder, 'sm_edge_events_lag{subscriber="hung"} 0');
  });

  it('that hangs does not keep the bus from stopping', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const clock = new ManualClock(1_700_000_000_000);
    const { bus, publish } = busOn(folder, store, clock);
    let called = false;
    await bus.subscribe({
      name: 'hung',
      handler: () => {
        called = true;
        return new Promise(() => undefined);
      },
    });
    await publish([1]);
    await until(() => expect(called).toBe(true));
    const stopped = bus.stop();
    await until(() => expect(clock.pendingTimers).toContain('end of hung'));
    clock.advance(5_000);
    await stopped;
    await expect(bus.subscribe(collector('late').subscription)).rejects.toMatchObject({
      code: 'BUS_STOPPED',
    });
  });
});

describe('a journal that cannot be used', () => {
  it('is tried again, and nothing is lost', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const clock = new ManualClock(1_700_000_000_000);
    let broken = false;
    const read: typeof store.journal.read = (afterSeq, limit) =>
      broken ? Promise.reject(new Error('disk gone')) : store.journal.read(afterSeq, limit);
    const bus = new EventBus({
      gatewayId: 'gw-test',
      clock,
      random: seededRandom(1),
      newId: idGenerator(clock, seededRandom(2)),
      logger: silentLogger,
      metrics: folder.metrics,
      journal: { ...store.journal, read },
    });
    buses.push(bus);
    const { got, subscription } = collector('a');
    await bus.subscribe(subscription);
    broken = true;
    await bus.publish([{ type: 'SyncStalled', correlationId: 'c', payload: { number: 1 } }], (events) =>
      store.write({ events }),
    );
    await until(() => expect(clock.pendingTimers).toContain('journal of a'));
    broken = false;
    clock.advance(1_000);
    await until(() => expect(got).toEqual([1]));
  });

  it('that takes no cursor yet lets a subscriber begin, and saves it later', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    let readOnly = true;
    const advance: typeof store.journal.advance = (subscriber, seq) =>
      readOnly
        ? Promise.reject(new SmEdgeError('STORE_READONLY', 'read-only', { retryable: true }))
        : store.journal.advance(subscriber, seq);
    const bus = new EventBus({
      gatewayId: 'gw-test',
      clock: systemClock,
      random: seededRandom(1),
      newId: idGenerator(systemClock, seededRandom(2)),
      logger: silentLogger,
      metrics: folder.metrics,
      journal: { ...store.journal, advance },
    });
    buses.push(bus);
    const { got, subscription } = collector('a');
    await bus.subscribe(subscription);
    readOnly = false;
    await bus.publish([{ type: 'SyncStalled', correlationId: 'c', payload: { number: 1 } }], (events) =>
      store.write({ events }),
    );
    await until(() => expect(got).toEqual([1]));
    await until(async () => expect(await store.journal.cursor('a')).toBe(1));
  });
});
