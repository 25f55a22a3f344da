import { expect, it } from 'vitest';
import type { CaptureJson } from '#sm/api/captures.js';
import { listen } from '#sm/api/server.js';
import { sm } from '../support/cli.js';
import { eventually } from '../support/daemon.js';
import { PostedMachine } from '../support/machine-signal.js';
import { get, oneGateway } from '../support/one-gateway.js';

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
  const kept = async () => (await get(one, `captures?correlation=${raised.correlationId}`)).captures;
  const captures: CaptureJson[] = await eventually('both are stored', async () => {
    const found = await kept();
    return found.length === 2 ? found : undefined;
  });
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

  const url = `http://127.0.0.1:${await listen(one.api, { host: '127.0.0.1', port: 0 })}`;
  const { out: asked } = await sm('captures', 'take', 'pump-1.*', '--by', 'kim', '--url', url);
  expect(asked).toContain(`${DRIVE_END}: kept from 2 s before now to 1 s after`);
  await run(2);
  const told = await eventually('the list tells of what was asked for', async () => {
    const { out } = await sm('captures', 'list', '--point', OTHER_END, '--url', url);
    return out.includes('asked for by kim') ? out : undefined;
  });
  expect(told).toContain('alarm loud');
  expect(told).not.toContain(DRIVE_END);
  const { code, err } = await sm('captures', 'take', 'pump-9.*', '--url', url);
  expect([code, err]).toEqual([1, expect.stringContaining('no waveform that is being analysed')]);
});
