import { describe, expect, it } from 'vitest';
import type { OutboxDraft } from '#sm/storage/outbox.js';
import { StoreFolder } from '../support/store.js';

const draft = (key: string, more: Partial<OutboxDraft> = {}): OutboxDraft => ({
  sink: 'mlflow',
  lane: 'live',
  kind: 'metrics',
  key,
  payload: { key },
  createdMs: 1_000,
  ...more,
});

const keys = (rows: readonly { key: string }[]) => rows.map(({ key }) => key);

describe('the outbox', () => {
  it('gives live rows before the backlog, the oldest first, of one sink', async () => {
    const { outbox } = await (await StoreFolder.create()).open();
    await outbox.append([
      draft('b1', { lane: 'backlog' }),
      draft('l1'),
      draft('b2', { lane: 'backlog' }),
      draft('l2'),
      draft('other', { sink: 'redis' }),
    ]);
    expect(keys(await outbox.take('mlflow', 0, 10))).toEqual(['l1', 'l2', 'b1', 'b2']);
    expect(keys(await outbox.take('mlflow', 0, 3))).toEqual(['l1', 'l2', 'b1']);
    expect(keys(await outbox.take('mlflow', 0, 10, 'backlog'))).toEqual(['b1', 'b2']);
  });

  it('holds a key once for each sink while it waits', async () => {
    const { outbox } = await (await StoreFolder.create()).open();
    await outbox.append([draft('k', { payload: { n: 1 } }), draft('k', { sink: 'redis' })]);
    await outbox.append([draft('k', { payload: { n: 2 } })]);
    const rows = await outbox.take('mlflow', 0, 10);
    expect(rows.map(({ payload }) => payload)).toEqual([{ n: 1 }]);
    expect(await outbox.take('redis', 0, 10)).toHaveLength(1);
  });

  it('keeps a row over restarts until it is done, documents and bytes alike', async () => {
    const folder = await StoreFolder.create();
    const first = await folder.open();
    const bytes = Uint8Array.from([0, 255, 1]);
    await first.outbox.append([
      draft('json', { payload: { a: [1, 'ü'] } }),
      draft('bytes', { payload: bytes }),
    ]);
    const { outbox } = await folder.reopen();
    const rows = await outbox.take('mlflow', 0, 10);
    expect(rows.map(({ payload }) => payload)).toEqual([{ a: [1, 'ü'] }, bytes]);
    await outbox.done([rows[0]!.id, 999]);
    expect(keys(await outbox.take('mlflow', 0, 10))).toEqual(['bytes']);
  });

  it('puts a failed row off, counts the attempt and keeps the error', async () => {
    const { outbox } = await (await StoreFolder.create()).open();
    await outbox.append([draft('a'), draft('b')]);
    const [a] = await outbox.take('mlflow', 0, 1);
    await outbox.failed(a!.id, 'unreachable', 5_000);
    await outbox.failed(a!.id, 'HTTP 503', 9_000);
    expect(keys(await outbox.take('mlflow', 8_999, 10))).toEqual(['b']);
    const [again] = await outbox.take('mlflow', 9_000, 1);
    expect(again).toMatchObject({ key: 'a', attempts: 2, lastError: 'HTTP 503', nextAttemptMs: 9_000 });
  });

  it('tells the keys of what waits, due or not', async () => {
    const { outbox } = await (await StoreFolder.create()).open();
    await outbox.append([draft('model/a/1'), draft('model/a/2'), draft('modelling'), draft('event/1')]);
    await outbox.append([draft('model/b/1', { sink: 'redis' })]);
    const [first] = await outbox.take('mlflow', 0, 1);
    await outbox.failed(first!.id, 'unreachable', 5_000);
    expect(await outbox.keys('mlflow', 'model/')).toEqual(['model/a/1', 'model/a/2']);
    await outbox.done([first!.id]);
    expect(await outbox.keys('mlflow', 'model/')).toEqual(['model/a/2']);
  });

  it('lets new rows pass what was moved to the backlog', async () => {
    const { outbox } = await (await StoreFolder.create()).open();
    await outbox.append([draft('old'), draft('redis', { sink: 'redis' })]);
    expect(await outbox.toBacklog('mlflow')).toBe(1);
    await outbox.append([draft('new')]);
    expect(keys(await outbox.take('mlflow', 0, 10))).toEqual(['new', 'old']);
    expect(await outbox.stats()).toEqual(
      expect.arrayContaining([
        { sink: 'mlflow', live: 1, backlog: 1, bytes: 26, oldestMs: 1_000, dropped: 0 },
        { sink: 'redis', live: 1, backlog: 0, bytes: 15, oldestMs: 1_000, dropped: 0 },
      ]),
    );
  });

  it('is written in one commit with the events that it carries on', async () => {
    const folder = await StoreFolder.create();
    const store = await folder.open();
    const event = {
      id: '1',
      type: 'AlarmRaised',
      version: 1,
      time: '2026-01-01T00:00:00.000Z',
      gatewayId: 'gw',
      correlationId: 'c',
      payload: {},
    } as const;
    const wrong = { ...draft('x'), createdMs: Number.NaN };
    await expect(store.write({ events: [event], outbox: [wrong] })).rejects.toMatchObject({
      code: 'STORE_WRITE',
    });
    expect(await store.counts()).toMatchObject({ events: 0, outbox: 0 });
    await store.write({ events: [event], outbox: [draft('x')] });
    expect(await store.counts()).toMatchObject({ events: 1, outbox: 1 });
  });
});
