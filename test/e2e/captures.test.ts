import { expect, it } from 'vitest';
import type { CaptureRecord } from '#sm/pipeline/live/captures.js';
import { eventually } from '../support/daemon.js';
import { PostedMachine } from '../support/machine-signal.js';
import { gatewayStopped, get, oneGateway } from '../support/one-gateway.js';

const DRIVE_END = 'pump-1.bearing-de.acceleration';
const OTHER_END = 'pump-1.bearing-nde.acceleration';

it('an alarm on a feature keeps the raw signal of all waveforms of the machine, and says what it was kept for', async () => {
  const one = await oneGateway({
    machines: [{ id: 'pump-1', class: 'pump' }],
    alarms: [{ id: 'loud', point: DRIVE_END, feature: 'rms', above: 1, priority: 'high' }],
    analysis: { capture: { before: '2s', after: '1s' } },
  });
  const startMs = Date.now() - 3_600_000;
  const [machine, beside] = [DRIVE_END, OTHER_END].map((point) => new PostedMachine(point, startMs));
  const run = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await machine!.run(one, 1);
      await beside!.run(one, 1);
    }
  };
  await run(6);
  machine!.level = 8;
  const raised = await eventually('the alarm is raised', async () => {
    await run(1);
    const { events } = await get(one, 'events?type=AlarmRaised');
    return events[0];
  });
  await run(3);
  gatewayStopped();
  const records = await one.stopAndRead((store) => store.documents('capture:'));
  const captures = records.map(([, record]) => record as CaptureRecord);
  expect(captures.map(({ point }) => point).sort()).toEqual([DRIVE_END, OTHER_END]);
  for (const { causes, sampleRateHz, samples, cut } of captures) {
    expect(causes[0]).toMatchObject({
      trigger: 'alarm',
      alarm: 'loud',
      point: DRIVE_END,
      correlationId: raised.correlationId,
    });
    expect(cut).toEqual([]);
    expect(samples).toBe(3 * sampleRateHz);
  }
}, 60_000);
