import { expect, it } from 'vitest';
import type { GatewayEvent } from '#sm/events/event.js';
import type { CaptureRecord } from '#sm/pipeline/live/captures.js';
import { PostedMachine } from '../support/machine-signal.js';
import { gatewayStopped, get, oneGateway, type Started, stopGateway } from '../support/one-gateway.js';

const POINT = 'pump-1.bearing-de.acceleration';
const CONFIG = {
  machines: [{ id: 'pump-1', class: 'pump' }],
  alarms: [{ id: 'odd', point: POINT, anomaly: true, priority: 'high', onDelay: '3s', offDelay: '2s' }],
  analysis: { capture: { before: '2s', after: '1s' } },
  // Nobody is there: what is to be sent waits in the outbox.
  sync: { mlflow: { trackingUri: 'http://127.0.0.1:9', experiment: 'none' } },
};

async function until(machine: PostedMachine, one: Started, type: string): Promise<GatewayEvent> {
  for (let second = 0; second < 90; second++) {
    const { events } = await get(one, `events?type=${type}&point=${POINT}`);
    if (events.length > 0) return events.at(-1);
    await machine.run(one, 1);
  }
  throw new Error(`no ${type}`);
}

async function act(one: Started, path: string, payload: Record<string, unknown>): Promise<void> {
  const url = `/api/v1/alarms/odd/${POINT}/${path}`;
  const answer = await one.api.inject({ method: 'POST', url, payload: { by: 'kim', ...payload } });
  expect(answer.statusCode, answer.body).toBeLessThan(300);
}

it('one id leads from a fault to its window, its signal, its alarm, what people did, and what is sent upstream', async () => {
  let one = await oneGateway(CONFIG);
  const machine = new PostedMachine(POINT, Date.now() - 3_600_000);
  await machine.run(one, 30);
  machine.level = 4;
  const raised = await until(machine, one, 'AlarmRaised');
  await act(one, 'acknowledge', { note: 'on my way' });
  await machine.run(one, 2);
  // What people do later belongs to it too, also after a restart.
  await stopGateway();
  one = await oneGateway(CONFIG);
  await act(one, 'comment', { text: 'ordered a bearing' });
  await act(one, 'label', { correct: true, cause: 'outer race' });
  machine.level = 1;
  await until(machine, one, 'AlarmReturnedToNormal');

  const { correlationId } = raised;
  const { events } = (await get(one, `events?correlation=${correlationId}`)) as { events: GatewayEvent[] };
  expect(events.map(({ type }) => type)).toEqual([
    'AnomalyDetected',
    'AnomalyValidated',
    'AlarmRaised',
    'AlarmAcknowledged',
    'AlarmCommented',
    'AlarmLabelled',
    'AlarmReturnedToNormal',
  ]);
  const [detected, validated, alarm, ...later] = events;
  expect(detected!.causationId).toBeUndefined();
  expect(validated!.causationId).toBe(detected!.id);
  expect(alarm!.causationId).toBe(validated!.id);
  for (const { type, causationId } of later) expect(causationId, type).toBe(alarm!.id);
  const { record } = await get(one, `alarms/odd/${POINT}`);
  expect(record.thread).toEqual({ correlationId, eventId: alarm!.id });

  gatewayStopped();
  const { scores, captures, rows } = await one.stopAndRead(async (store) => ({
    scores: await store.scores(POINT, 0, Date.now(), 1_000),
    captures: (await store.documents('capture:')).map(([, document]) => document as CaptureRecord),
    rows: await store.outbox.take('mlflow', Number.MAX_SAFE_INTEGER, 1_000),
  }));
  const window = scores.find((score) => score.correlationId === correlationId);
  expect(window).toMatchObject({ timeMs: Date.parse(String(detected!.payload.time)), anomalous: true });
  const causes = captures.flatMap((capture) => capture.causes);
  expect(causes).toContainEqual(
    expect.objectContaining({ trigger: 'anomaly', correlationId, eventId: validated!.id }),
  );
  expect(causes).toContainEqual(
    expect.objectContaining({ trigger: 'alarm', correlationId, eventId: alarm!.id }),
  );
  // In the order they were written: what waits behind a remote that is away is taken after what is live.
  const written = rows.toSorted((a, b) => a.id - b.id);
  const sent = written.flatMap(({ kind, payload }) =>
    kind === 'event' ? [(payload as { event: GatewayEvent }).event] : [],
  );
  expect(sent.filter((event) => event.correlationId === correlationId).map(({ id }) => id)).toEqual(
    events.map(({ id }) => id),
  );
});
