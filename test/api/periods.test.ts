import { expect, it } from 'vitest';
import { listen } from '#sm/api/server.js';
import { sm } from '../support/cli.js';
import { eventually } from '../support/daemon.js';
import { featureRows, POINT, writeFeatures } from '../support/history.js';
import { get, oneGateway, stopGateway } from '../support/one-gateway.js';
import { StoreFolder } from '../support/store.js';

const HOUR_MS = 3_600_000;
const START_MS = Math.floor(Date.now() / 1000) * 1000 - 2 * HOUR_MS;
const iso = (second: number): string => new Date(START_MS + second * 1000).toISOString();

it('a technician tells of a fault that no alarm told of, corrects it, and takes it back', async () => {
  const made = await StoreFolder.create();
  const store = await made.open();
  await writeFeatures(
    store,
    featureRows(POINT, START_MS, 1200, (i) => (i >= 600 && i < 900 ? 1.5 : 1)),
  );
  await store.close();
  const config = { alarms: [{ id: 'hot', point: '*.temperature', above: 85, priority: 'high' }] };
  const one = await oneGateway(config, made.folder);
  const url = `http://127.0.0.1:${await listen(one.api, { host: '127.0.0.1', port: 0 })}`;
  const cases = (...args: string[]) => sm('cases', ...args, '--url', url);
  const label = (...args: string[]) => cases('label', POINT, '--by', 'kim', ...args);
  const span = ['--from', iso(600), '--to', iso(900)];

  const told = await label(...span, '--cause', 'Outer race', '--note', 'seen at the change of the bearing');
  expect(told).toMatchObject({ code: 0, err: '' });
  expect(told.out).toContain('Outer race, missed, says kim');
  expect(told.out).toContain('300 windows make a case');
  expect(told.out).toContain('it counts as missed');
  const [made1] = await eventually('it is a case', async () => {
    const found = (await get(one, 'cases')).cases;
    return found.length > 0 ? found : undefined;
  });
  expect(made1).toMatchObject({ label: 'outer-race', point: POINT, by: 'kim', windows: 300 });
  expect(made1.features.rms).toBeGreaterThan(1.3);
  expect(made1).not.toHaveProperty('alarm');
  const { events } = await get(one, `events?type=PeriodLabelled&point=${POINT}`);
  expect(events[0].payload).toMatchObject({ verdict: 'fault', note: 'seen at the change of the bearing' });

  const stats = await sm('alarms', 'stats', '--url', url);
  expect(stats.out).toMatch(/missed +1 faults that people reported/);
  expect(stats.out).toContain(`${POINT}: Outer race, for 5 min (said kim)`);
  const before = `alarms/stats?from=${iso(-9000)}&to=${iso(0)}`;
  expect((await get(one, before)).missed).toEqual([]);

  // Said again of the same time it takes the place of what was said before.
  const again = JSON.parse((await label(...span, '--cause', 'loose foot', '--json')).out);
  const corrected = await eventually('the case is another one', async () => {
    const found = (await get(one, 'cases')).cases;
    return found.length === 1 && found[0].label === 'loose-foot' ? found[0] : undefined;
  });
  expect(corrected.period).toBe(again.period.id);
  expect((await get(one, 'cases/periods')).periods).toHaveLength(1);

  const healthy = await label('--from', iso(0), '--to', iso(100), '--healthy');
  expect(healthy.out).toContain('100 windows count as healthy in the next training');

  // An alarm of the machine stood: the fault was not missed.
  const sent = await one.api.inject({
    method: 'POST',
    url: '/api/v1/data/ingest',
    payload: { point: 'pump-1.temperature', value: 90, unit: 'degC' },
  });
  expect(sent.statusCode).toBe(201);
  const seen = await label('--from', iso(7100), '--to', '0s', '--cause', 'dry');
  expect(seen.out).toContain('meanwhile stood hot@pump-1.temperature');
  expect(seen.out).toContain('no window of the point is stored of that time');

  await stopGateway();
  const next = await oneGateway(config, made.folder);
  const { periods } = await get(next, `cases/periods?point=${POINT}`);
  expect(periods.map(({ missed }: { missed: boolean }) => missed)).toEqual([false, true, false]);
  const withdraw = (id: string) =>
    next.api.inject({ method: 'POST', url: `/api/v1/cases/periods/${id}/withdraw`, payload: { by: 'kim' } });
  expect((await withdraw(again.period.id)).statusCode).toBe(204);
  await eventually('the case is gone', async () =>
    (await get(next, 'cases')).cases.length === 0 ? true : undefined,
  );
  expect((await get(next, 'alarms/stats')).missed).toEqual([]);
  expect((await withdraw(again.period.id)).json()).toMatchObject({ code: 'PERIOD_UNKNOWN' });
});

it('says what is wrong with a label, and what to do', async () => {
  const one = await oneGateway();
  const url = `http://127.0.0.1:${await listen(one.api, { host: '127.0.0.1', port: 0 })}`;
  await one.api.inject({
    method: 'POST',
    url: '/api/v1/data/ingest',
    payload: { point: 'pump-1.temperature', value: 40, unit: 'degC' },
  });
  const label = (...args: string[]) =>
    sm('cases', 'label', ...args, '--by', 'kim', '--url', url).then(({ code, out, err }) => ({
      code,
      text: out + err,
    }));
  const span = ['--from', '2h', '--to', '1h'];
  expect(await label('pump-1.temprature', ...span, '--cause', 'hot')).toEqual({
    code: 1,
    text: expect.stringMatching(
      /nothing has come from a point named pump-1.temprature[\s\S]*there are pump-1.temperature/,
    ),
  });
  expect(await label('pump-1.temperature', '--from', '1h', '--to', '2h', '--cause', 'hot')).toEqual({
    code: 1,
    text: expect.stringContaining('the time ends before it begins'),
  });
  expect(await label('pump-1.temperature', '--from', '1h', '--to', '2999-01-01', '--cause', 'hot')).toEqual({
    code: 1,
    text: expect.stringContaining('is still to come'),
  });
  expect(await label('pump-1.temperature', '--from', '2000-01-01', '--to', '1h', '--cause', 'hot')).toEqual({
    code: 1,
    text: expect.stringContaining('one label is of 31 days at most'),
  });
  for (const both of [[], ['--cause', 'hot', '--healthy']])
    expect(await label('pump-1.temperature', ...span, ...both)).toEqual({
      code: 2,
      text: expect.stringContaining('give --cause "outer race", or --healthy'),
    });
  const wrong = await one.api.inject({
    method: 'POST',
    url: '/api/v1/cases/periods',
    payload: { point: 'pump-1.temperature', from: iso(0), to: iso(9), by: 'kim' },
  });
  expect(wrong.statusCode).toBe(400);
  expect(wrong.json().detail).toContain('give point, from, to (ISO 8601 with a zone), by');
});
