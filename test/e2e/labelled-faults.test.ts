import { expect, it } from 'vitest';
import { eventually, LEAST_PRIORITY_MS } from '../support/daemon.js';
import { PostedMachine } from '../support/machine-signal.js';
import { get, oneGateway, type Started } from '../support/one-gateway.js';

const POINT = 'pump-1.bearing-de.acceleration';

const post = async (one: Started, path: string, payload: object) =>
  (await one.api.inject({ method: 'POST', url: `/api/v1/${path}`, payload })).statusCode;

const iso = (ms: number): string => new Date(ms).toISOString();

const ALARM = 'odd';
const alarmOf = async (one: Started) =>
  (await get(one, 'alarms?all=true')).alarms.find(({ alarm }: { alarm: string }) => alarm === ALARM);

/** Runs the machine until the alarm is there, or gone. */
async function until(one: Started, machine: PostedMachine, active: boolean): Promise<void> {
  for (let turn = 0; turn < 120; turn++) {
    if ((await alarmOf(one))?.active === active) return;
    await machine.run(one, 1);
  }
  throw new Error(`the alarm is not ${active ? 'there' : 'gone'}`);
}

it(
  'an anomaly is named by what a person called the ones before',
  async () => {
    const machine = new PostedMachine(POINT, Date.now() - 3_600_000);
    const one = await oneGateway({
      machines: [{ id: 'pump-1', class: 'pump' }],
      alarms: [{ id: ALARM, point: POINT, anomaly: true, priority: 'high' }],
      models: { default: 'none' },
    });
    await machine.run(one, 2);
    expect(await post(one, `commissioning/${POINT}/start`, { by: 'anna', healthy: '80s' })).toBe(200);
    const state = async () => (await get(one, 'commissioning')).commissioning[0].state;
    for (let turn = 0; turn < 60 && (await state()) === 'collecting'; turn++) await machine.run(one, 5);
    await eventually(
      'the machine is learned',
      async () => ((await state()) === 'in-use' ? true : undefined),
      LEAST_PRIORITY_MS,
    );

    for (const knocksHz of [18, 20]) {
      machine.knocksHz = knocksHz;
      await until(one, machine, true);
      const fromMs = machine.timeMs;
      await machine.run(one, 8);
      const toMs = machine.timeMs;
      machine.knocksHz = 0;
      await until(one, machine, false);
      const label = { by: 'anna', cause: 'Outer race' };
      // The one by its alarm, the other as a person reports a stretch of time: both are cases.
      if (knocksHz === 18)
        expect(await post(one, `alarms/${ALARM}/${POINT}/label`, { ...label, correct: true })).toBe(204);
      else
        expect(
          await post(one, 'cases/periods', { ...label, point: POINT, from: iso(fromMs), to: iso(toMs) }),
        ).toBe(201);
      await machine.run(one, 30);
    }
    const cases = await eventually('both are cases', async () => {
      const found = (await get(one, 'cases')).cases;
      return found.length === 2 ? found : undefined;
    });
    expect(cases[0]).toMatchObject({ label: 'outer-race', cause: 'Outer race', point: POINT, by: 'anna' });
    await eventually(
      'faults can be named',
      async () => {
        const told = (await get(one, 'events?type=RetrainCompleted')).events;
        return told.some(({ payload }: { payload: { model: string } }) => payload.model.startsWith('faults-'))
          ? true
          : undefined;
      },
      LEAST_PRIORITY_MS,
    );

    const anomalies = async () => (await get(one, `events?type=AnomalyDetected&point=${POINT}`)).events;
    const before = (await anomalies()).length;
    machine.knocksHz = 19;
    await until(one, machine, true);
    // The alarm need not wait for the name.
    const seen = await eventually('the anomaly is told', async () => (await anomalies())[before]?.payload);
    expect(seen.classification).toMatchObject({ label: 'outer-race' });
    expect(seen.classification.probability).toBeGreaterThan(0.5);
    expect(seen.nearest).toMatchObject({ healthy: { label: 'normal' }, faulty: { label: 'outer-race' } });
    expect(seen.nearest.faulty.distance).toBeLessThan(seen.nearest.healthy.distance);
    expect(seen.message).toContain('By the labelled cases it is outer-race');
  },
  2 * LEAST_PRIORITY_MS + 60_000,
);
