import { describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { seededRandom } from '#sm/base/random.js';
import { EventBus, type EventDraft, type Subscription } from '#sm/events/bus.js';
import { EventCatalogue } from '#sm/events/catalogue.js';
import { EVENT_TYPES, type GatewayEvent } from '#sm/events/event.js';
import { once } from '#sm/events/once.js';
import { StoreFolder } from '../support/store.js';
import { until } from '../support/until.js';

const RETRY = { initialMs: 1, maxMs: 2, factor: 2, jitter: 0, limit: 1 };

async function open() {
  const folder = await StoreFolder.create();
  const store = await folder.open();
  const bus = new EventBus({
    gatewayId: 'gw-test',
    clock: systemClock,
    random: seededRandom(1),
    newId: idGenerator(systemClock, seededRandom(2)),
    logger: silentLogger,
    metrics: folder.metrics,
    journal: store.journal,
    catalogue: new EventCatalogue(),
  });
  const publish = (...drafts: EventDraft[]) => bus.publish(drafts, (events) => store.write({ events }));
  return { folder, store, bus, publish };
}

const stalled = (message: string): EventDraft => ({
  type: 'SyncStalled',
  correlationId: 'c1',
  payload: { message },
});

const subscriber = (handler: (event: GatewayEvent) => Promise<void>): Subscription => ({
  name: 'a',
  handler,
  retry: RETRY,
});

describe('dead letters', () => {
  it('are tried again, counted, and gone once they are taken', async () => {
    const { folder, store, bus, publish } = await open();
    let broken = true;
    const got: string[] = [];
    await bus.subscribe(
      subscriber(async (event) => {
        if (broken) throw new Error('the server is away');
        got.push(String(event.payload.message));
      }),
    );
    await publish(stalled('one'));
    await until(async () => expect(await store.journal.deadLetters(10)).toHaveLength(1));
    const [letter] = await store.journal.deadLetters(10, 'a');
    expect(letter).toMatchObject({ subscriber: 'a', retries: 0, error: 'INTERNAL: the server is away' });
    expect(await folder.metrics.registry.metrics()).toContain(
      'sm_edge_events_dead_letters{subscriber="a"} 1',
    );

    await expect(bus.retryDeadLetter(letter!.id)).rejects.toMatchObject({ code: 'DEAD_LETTER_FAILED' });
    expect(await store.journal.deadLetter(letter!.id)).toMatchObject({ retries: 1 });
    broken = false;
    await bus.retryDeadLetter(letter!.id);
    expect(got).toEqual(['one']);
    expect(await store.journal.deadLetters(10)).toEqual([]);
    expect(await folder.metrics.registry.metrics()).not.toContain('sm_edge_events_dead_letters{');
    await expect(bus.retryDeadLetter(letter!.id)).rejects.toMatchObject({ code: 'DEAD_LETTER_UNKNOWN' });
    await bus.stop();
  });

  it('are dropped, and say so where their subscriber is not there any more', async () => {
    const { store, bus, publish } = await open();
    const end = await bus.subscribe(subscriber(() => Promise.reject(new Error('no'))));
    await publish(stalled('one'));
    await until(async () => expect(await store.journal.deadLetters(10)).toHaveLength(1));
    await end();
    const { id } = (await store.journal.deadLetters(10))[0]!;
    await expect(bus.retryDeadLetter(id)).rejects.toMatchObject({ code: 'DEAD_LETTER_HANDLER' });
    await bus.dropDeadLetter(id);
    expect(await store.journal.countDeadLetters()).toEqual({});
    await bus.stop();
  });

  it('never call a handler that is at work on another event', async () => {
    const { store, bus, publish } = await open();
    let atOnce = 0;
    let most = 0;
    let broken = true;
    await bus.subscribe(
      subscriber(async () => {
        most = Math.max(most, ++atOnce);
        await new Promise((done) => setImmediate(done));
        atOnce--;
        if (broken) throw new Error('no');
      }),
    );
    await publish(stalled('one'));
    await until(async () => expect(await store.journal.deadLetters(10)).toHaveLength(1));
    broken = false;
    const { id } = (await store.journal.deadLetters(10))[0]!;
    await Promise.all([
      bus.retryDeadLetter(id),
      publish(...Array.from({ length: 20 }, () => stalled('more'))),
    ]);
    await until(async () => expect(await store.journal.cursor('a')).toBe(21));
    expect(most).toBe(1);
    await bus.stop();
  });
});

describe('forms of the payloads', () => {
  it('refuses a payload that is none of its type, and publishes nothing of the batch', async () => {
    const { store, bus, publish } = await open();
    const wrong: EventDraft = { type: 'SourceDegraded', correlationId: 'c', payload: { source: 'a' } };
    await expect(publish(stalled('fine'), wrong)).rejects.toMatchObject({
      code: 'EVENT_PAYLOAD',
      retryable: false,
    });
    expect(await store.journal.head()).toBe(0);
    await bus.stop();
  });

  it('brings what an earlier version journaled into the present form', async () => {
    const { store, bus } = await open();
    const got: GatewayEvent[] = [];
    await bus.subscribe(subscriber(async (event) => void got.push(event)));
    const old = (id: string, payload: GatewayEvent['payload']): GatewayEvent => ({
      id,
      type: 'AlarmAcknowledged',
      version: 1,
      time: '2026-01-01T00:00:00.000Z',
      gatewayId: 'gw-test',
      correlationId: 'c',
      payload,
    });
    const payload = {
      alarm: 'hot',
      point: 'p.t',
      from: 'unacknowledged',
      to: 'acknowledged',
      severity: 'high',
      message: 'hot',
      time: '2026-01-01T00:00:00.000Z',
    };
    await store.write({ events: [old('e1', payload), old('e2', { alarm: 'hot' })] });
    await until(() => expect(got).toHaveLength(1));
    expect(got[0]).toMatchObject({ id: 'e1', version: 2, payload: { ...payload, cause: 'acknowledge' } });
    // What is no payload at all is put aside at once, not tried eight times.
    await until(async () =>
      expect((await store.journal.deadLetters(9))[0]?.error).toContain('EVENT_PAYLOAD'),
    );
    await bus.stop();
  });

  it('knows a version of every type, and gives a newer one as it is', () => {
    const catalogue = new EventCatalogue();
    expect(Object.keys(catalogue.versions()).sort()).toEqual([...EVENT_TYPES].sort());
    const newer = { type: 'AlarmRaised', version: 99, payload: { odd: 1 } } as unknown as GatewayEvent;
    expect(catalogue.upcast(newer)).toBe(newer);
  });
});

describe('once', () => {
  it('takes an event that comes twice once: the mark is in one commit with the effect', async () => {
    const { store, bus, publish } = await open();
    let calls = 0;
    const handler = once('a', store.journal, async (event, mark) => {
      calls++;
      await store.write({ documents: [{ key: `taken:${event.id}`, document: calls }], consumed: [mark] });
    });
    const [event] = await publish(stalled('one'));
    await handler(event!);
    await handler(event!);
    expect(calls).toBe(1);
    expect(await store.document(`taken:${event!.id}`)).toBe(1);
    await bus.stop();
  });

  it('takes it again where the commit with the effect failed', async () => {
    const { store, bus, publish } = await open();
    let fails = true;
    let calls = 0;
    const handler = once('a', store.journal, async (_event, mark) => {
      calls++;
      if (fails) throw new Error('disk full');
      await store.write({ consumed: [mark] });
    });
    const [event] = await publish(stalled('one'));
    await expect(handler(event!)).rejects.toThrow('disk full');
    fails = false;
    await handler(event!);
    await handler(event!);
    expect(calls).toBe(2);
    await bus.stop();
  });
});

describe('the journal is asked', () => {
  it('by type, point, correlation, time and place, oldest first', async () => {
    const { store, bus, publish } = await open();
    const source = (id: string, correlationId: string): EventDraft => ({
      type: 'SourceDegraded',
      correlationId,
      payload: { source: id, sourceType: 'mqtt', state: 'failed', message: id, point: `p.${id}` },
    });
    await publish(source('a', 'c1'), stalled('x'), source('b', 'c2'), source('a', 'c2'));
    const seqs = async (query: object) =>
      (await store.journal.find({ limit: 10, ...query })).map(({ seq }) => seq);
    expect(await seqs({})).toEqual([1, 2, 3, 4]);
    expect(await seqs({ types: ['SourceDegraded'] })).toEqual([1, 3, 4]);
    expect(await seqs({ point: 'p.a' })).toEqual([1, 4]);
    expect(await seqs({ correlationId: 'c2' })).toEqual([3, 4]);
    expect(await seqs({ afterSeq: 1, beforeSeq: 4 })).toEqual([2, 3]);
    expect(await seqs({ newest: true, limit: 2 })).toEqual([3, 4]);
    expect(await seqs({ fromMs: systemClock.nowMs() + 60_000 })).toEqual([]);
    expect(
      await seqs({ toMs: systemClock.nowMs() + 60_000, point: 'p.b', types: ['SourceDegraded'] }),
    ).toEqual([3]);
    await bus.stop();
  });
});
