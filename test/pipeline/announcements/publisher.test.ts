import { expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '#sm/base/clock.js';
import { SmEdgeError } from '#sm/base/errors.js';
import { idGenerator } from '#sm/base/ids.js';
import { silentLogger } from '#sm/base/logger.js';
import { seededRandom } from '#sm/base/random.js';
import { EventBus } from '#sm/events/bus.js';
import { Publisher } from '#sm/pipeline/announcements/publisher.js';
import type { WriteBatch } from '#sm/storage/store.js';
import { StoreFolder } from '../../support/store.js';
import { until } from '../../support/until.js';

const START = Date.parse('2026-11-21T10:00:00Z');
const HOUR_MS = 3_600_000;

it('events that wait for a full disk keep their order and the time at which they happened, and follow within seconds', async () => {
  const folder = await StoreFolder.create();
  const store = await folder.open();
  const clock = new ManualClock(START);
  const random = seededRandom(1);
  const bus = new EventBus({
    ...{ gatewayId: 'gw', clock, random, logger: silentLogger, metrics: folder.metrics },
    ...{ newId: idGenerator(clock, seededRandom(2)), journal: store.journal },
  });
  let isFull = true;
  let refused = 0;
  const write = async (batch: WriteBatch) => {
    if (!isFull) return store.write(batch);
    refused++;
    throw new SmEdgeError('STORE_FULL', 'the disk is full', { retryable: true });
  };
  const publisher = new Publisher({ bus, store: { write }, clock, random });
  onTestFinished(async () => {
    publisher.stop();
    await bus.stop();
  });
  const publish = (correlationId: string) =>
    publisher.publish([{ type: 'SourceDegraded', correlationId, payload: message }]);
  const message = { source: 's', sourceType: 'mqtt', state: 'degraded', message: 'no answer' };

  /** Time goes on while it waits to ask again. */
  const pass = async (ms: number) => {
    await until(() => expect(clock.pendingTimers).toContain('publish events'));
    clock.advance(ms);
  };

  const published = [publish('first')];
  await pass(60_000);
  published.push(publish('second'));
  for (let hour = 0; hour < 12; hour++) await pass(HOUR_MS);
  await until(() => expect(refused).toBe(14));
  isFull = false;
  await pass(5_000);
  await Promise.all(published);

  const events = (await store.journal.read(0, 10)).map(({ event }) => event);
  expect(events.map(({ correlationId, time }) => [correlationId, time])).toEqual([
    ['first', '2026-11-21T10:00:00.000Z'],
    ['second', '2026-11-21T10:01:00.000Z'],
  ]);
});
