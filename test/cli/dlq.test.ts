import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import type { GatewayEvent } from '#sm/events/event.js';
import { Store } from '#sm/storage/store.js';
import { smEdge } from '../support/daemon.js';
import { startGateway } from '../support/gateway.js';

let one: Awaited<ReturnType<typeof startGateway>> | undefined;

afterEach(() => one?.stop());

const event = (number: number): GatewayEvent => ({
  id: `01a2000b-b80d-7000-8000-00000000000${number}`,
  type: 'AlarmLabelled',
  version: 1,
  time: '2026-06-01T10:00:00.000Z',
  gatewayId: 'gw-1',
  correlationId: `c${number}`,
  payload: {
    ...{ alarm: 'hot', point: 'm1.t', by: 'kim', correct: false },
    ...{ message: `event ${number}`, time: '2026-06-01T10:00:00.000Z' },
  },
});

it('dlq lists, shows, retries and drops what subscribers could not take, over a real gateway', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sm-edge-dlq-'));
  const store = await Store.open({ folder, clock: systemClock, metrics: new Metrics() });
  const events = [1, 2, 3].map(event);
  await store.write({ events });
  // As an earlier run left them: of a subscriber that is there, and of one that is not configured any more.
  for (const [index, subscriber] of ['cases', 'gone', 'gone'].entries())
    await store.journal.bury(
      subscriber,
      { seq: index + 1, event: events[index]! },
      'SERVER: it is away',
      1_000,
    );
  await store.close();
  one = await startGateway({}, folder);
  const url = await one.api.listen({ host: '127.0.0.1', port: 0 });
  const dlq = (...args: string[]) => smEdge(['dlq', ...args, '--url', url]);
  const json = async (...args: string[]) => {
    const { stdout, code } = await dlq(...args, '--json');
    return { code, answer: JSON.parse(stdout) };
  };

  const { answer } = await json('list');
  const [taken, gone, other] = answer.deadLetters.map(({ id }: { id: number }) => String(id));
  expect((await json('list', '--subscriber', 'cases')).answer.deadLetters).toHaveLength(1);
  expect((await dlq('list')).stdout).toContain('gone could not take AlarmLabelled');
  expect((await json('show', gone)).answer).toMatchObject({
    subscriber: 'gone',
    error: 'SERVER: it is away',
  });
  expect((await dlq('show', gone)).stdout).toContain('"correlationId": "c2"');

  const retried = await dlq('retry', taken, gone);
  expect(retried.code).toBe(1);
  expect(retried.stderr).toContain(`${gone}: nobody subscribes as gone (taken before it: ${taken})`);
  expect(retried.stderr).toContain('hint: its part is not configured any more');
  expect((await json('list')).answer.deadLetters).toHaveLength(2);
  expect(await json('drop', gone, other)).toMatchObject({
    code: 0,
    answer: { dropped: [Number(gone), Number(other)] },
  });
  expect((await dlq('list')).stdout).toBe('no dead letter\n');
  expect(await json('drop', gone)).toMatchObject({
    code: 1,
    answer: { error: { code: 'DEAD_LETTER_UNKNOWN' } },
  });
  // What they said stays in the journal.
  const listed = await smEdge(['events', 'list', '--correlation', 'c2', '--url', url, '--json']);
  expect(JSON.parse(listed.stdout)).toMatchObject({ type: 'AlarmLabelled', correlationId: 'c2' });
});
