import { expect, it } from 'vitest';
import { alarmRoutes } from '#sm/api/alarms.js';
import { createApi } from '#sm/api/server.js';
import { ManualClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import type { AlarmDesk } from '#sm/pipeline/desks/alarm-desk.js';

it('an action that the disk does not take in time says that it is done and not yet on disk, and where to look', async () => {
  const clock = new ManualClock(Date.UTC(2026, 5, 1));
  let begun = () => {};
  const isBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const act = () => {
    begun();
    return new Promise<never>(() => {});
  };
  const desks = { alarms: { act } as unknown as AlarmDesk };
  const api = createApi({
    ...{ metrics: new Metrics(), logger: silentLogger, ready: () => true },
    health: () => ({ gatewayId: 'gw', site: '', version: '', state: 'good', uptimeS: 0, parts: [] }),
    routes: [alarmRoutes({ desks }, clock)],
  });
  const answer = api.inject({
    method: 'POST',
    url: '/api/v1/alarms/hot/m1.t/acknowledge',
    payload: { by: 'kim' },
  });
  await isBegun;
  clock.advance(10_000);
  const { statusCode, body } = await answer;
  expect(statusCode).toBe(503);
  expect(JSON.parse(body)).toMatchObject({
    code: 'STORE_WAITS',
    detail: 'acknowledge: done, but not on disk yet',
    hint: expect.stringContaining('sm-edge status'),
  });
  await api.close();
});
