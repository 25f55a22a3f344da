import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smEdge } from '../support/daemon.js';
import { startGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

const POINT = 'pump-1.de.temperature';
const NAME = `hot@${POINT}`;

describe('alarms over HTTP and from the command line', () => {
  let started: Awaited<ReturnType<typeof startGateway>>;
  let url: string;

  beforeAll(async () => {
    started = await startGateway({
      alarms: [
        {
          id: 'hot',
          point: '*.temperature',
          above: 85,
          priority: 'high',
          text: 'Hot',
          action: 'Check the grease',
        },
      ],
    });
    url = await started.api.listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(() => started.stop());

  const get = async (path: string) =>
    (await started.api.inject({ method: 'GET', url: `/api/v1/${path}` })).json();
  const post = (path: string, payload: object) =>
    started.api.inject({ method: 'POST', url: `/api/v1/${path}`, payload });
  const send = (value: number, point = POINT) => post('data/ingest', { point, value, unit: 'degC' });
  const cli = (...args: string[]) => smEdge([...args, '--url', url]);

  it('lists an alarm, and takes what people do with it, with who and when', async () => {
    expect((await send(90)).statusCode).toBe(201);
    // What is acknowledged has its alarm on disk: nobody waits for it.
    const { alarms } = await get('alarms');
    expect(alarms).toMatchObject([{ alarm: 'hot', point: POINT, state: 'unacknowledged', severity: 'high' }]);
    const path = `alarms/hot/${POINT}`;
    const acknowledged = await post(`${path}/acknowledge`, { by: 'kim', note: 'on my way' });
    expect(acknowledged.json()).toMatchObject({ state: 'acknowledged', by: 'kim', note: 'on my way' });
    const again = await post(`${path}/acknowledge`, { by: 'kim' });
    expect(again.json()).toMatchObject({ code: 'ALARM_STATE' });
    expect(again.statusCode).toBe(409);
    expect((await post(`${path}/comment`, { by: 'kim', text: 'greased' })).statusCode).toBe(204);
    expect((await post(`${path}/label`, { by: 'kim', correct: true, cause: 'dry' })).statusCode).toBe(204);
    expect((await post(`${path}/shelve`, { by: 'kim', for: '1h' })).json()).toMatchObject({
      state: 'shelved',
    });
    expect((await post(`${path}/unshelve`, { by: 'kim' })).json()).toMatchObject({ state: 'unacknowledged' });
    const { history, definition } = await get(path);
    expect(definition).toMatchObject({ above: 85, action: 'Check the grease' });
    expect(history.map(({ type }: { type: string }) => type)).toEqual([
      'AlarmRaised',
      'AlarmAcknowledged',
      'AlarmCommented',
      'AlarmLabelled',
      'AlarmShelved',
      'AlarmRaised',
    ]);
    expect((await post('alarms/hot/nowhere/acknowledge', { by: 'kim' })).statusCode).toBe(404);
    expect((await post(`${path}/acknowledge`, {})).statusCode).toBe(400);
  });

  it('from the command line', async () => {
    const listed = await cli('alarms', 'list');
    expect(listed.stderr).toBe('');
    expect(listed.stdout).toContain(`HIGH     UNACKNOWLEDGED`);
    expect(listed.stdout).toContain(NAME);
    const done = await cli('alarms', 'ack', NAME, '--by', 'kim', '--json');
    expect(JSON.parse(done.stdout)).toEqual({ done: 'acknowledge', alarms: [NAME] });
    const events = await cli('events', 'list', '--type', 'AlarmAcknowledged', '--json');
    expect(
      events.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).payload.by),
    ).toEqual(['kim', 'kim']);
    expect((await cli('alarms', 'ack', 'nothing')).code).toBe(1);
  });

  it('tells what was held back, and why', async () => {
    const odd = 'pump-1.de.level';
    for (let i = 0; i < 60; i++) await send(5 + (i % 5) * 0.01, odd);
    await send(50, odd);
    for (let i = 0; i < 6; i++) await send(5, odd);
    const { heldBack } = await get(`alarms/held-back?point=${odd}`);
    expect(heldBack).toMatchObject([{ point: odd, blocks: 1, reasons: [{ rule: 'persistence' }, {}] }]);
    await until(async () => {
      const { events } = await get('events?type=AnomalyValidated');
      expect(events).toMatchObject([{ payload: { point: odd, outcome: 'held-back', count: 1 } }]);
    });
    const { alarms } = await get('alarms');
    expect(alarms.map(({ point }: { point: string }) => point)).toEqual([POINT]);
    expect((await cli('alarms', 'held')).stdout).toContain('one block was anomalous');
    const stats = await get('alarms/stats');
    // Nobody counted before the journal began: the rates are those of the last hour, not of a week.
    expect(stats.toMs - stats.fromMs).toBe(3_600_000);
    expect(stats.perHour).toBe(2);
    expect(stats).toMatchObject({ raised: 2, floods: [], frequent: [{ alarm: 'hot', count: 2 }] });
  });
});
