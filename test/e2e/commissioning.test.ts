import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OWN_DATA_TERMS } from '#sm/pipeline/commissioning/model-name.js';
import { linearModel, manifestOf, writeModel } from '../scoring/support.js';
import { eventually, LEAST_PRIORITY_MS } from '../support/daemon.js';
import { PostedMachine } from '../support/machine-signal.js';
import { gatewayStopped, oneGateway, type Started, stopGateway } from '../support/one-gateway.js';

const POINT = 'pump-1.bearing-de.acceleration';
const MODEL = 'learned-pump-1-bearing-de-acceleration';

const FAULTS = 'faults-pump-1-bearing-de-acceleration';

function writeOldVersion(dir: string, version: string): Promise<string> {
  const model = linearModel();
  const training = { data: 'cases', terms: OWN_DATA_TERMS, samples: 9 };
  return writeModel(join(dir, version), model, manifestOf(model, { name: FAULTS, version, training }));
}

async function ask(one: Started, method: 'GET' | 'POST', path: string, payload?: object) {
  const answer = await one.api.inject({
    method,
    url: `/api/v1/${path}`,
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: answer.statusCode, body: answer.json() };
}

const act = (one: Started, action: string, payload: object = {}) =>
  ask(one, 'POST', `commissioning/${POINT}/${action}`, { by: 'anna', ...payload });

const recordOf = async (one: Started) => (await ask(one, 'GET', 'commissioning')).body.commissioning[0];

const stateIs = (one: Started, state: string) =>
  eventually(
    `the point is ${state}`,
    async () => {
      const record = await recordOf(one);
      return record?.state === state ? record : undefined;
    },
    LEAST_PRIORITY_MS,
  );

describe('commissioning', () => {
  it(
    'learns a running machine over a restart, uses the model, and goes back when asked',
    async () => {
      const machine = new PostedMachine(POINT, Date.now() - 3_600_000);
      let one = await oneGateway();
      expect((await act(one, 'start')).status).toBe(404);
      await machine.run(one, 2);
      const begun = await act(one, 'start', { healthy: '90s' });
      expect(begun.body.commissioning).toMatchObject([{ point: POINT, state: 'collecting', neededS: 90 }]);
      expect((await act(one, 'start')).status).toBe(409);
      await machine.run(one, 40);
      await stopGateway();

      // What years of learning anew have left.
      const old = join(one.folder, 'models', FAULTS);
      for (let version = 1; version <= 8; version++) await writeOldVersion(old, String(version));
      one = await oneGateway();
      expect(readdirSync(old).sort()).toEqual(['4', '5', '6', '7', '8']);
      const kept = await recordOf(one);
      expect(kept).toMatchObject({ state: 'collecting', by: 'anna' });
      expect(kept.healthyS).toBeGreaterThan(20);
      for (let turn = 0; (await recordOf(one)).state === 'collecting' && turn < 40; turn++)
        await machine.run(one, 10);
      const learned = await stateIs(one, 'in-use');
      expect(learned).toMatchObject({ model: { name: MODEL, version: '1' }, former: null, progress: 1 });

      await machine.run(one, 3);
      const told = (await ask(one, 'GET', 'events?type=RetrainCompleted')).body.events;
      expect(told).toMatchObject([{ payload: { model: MODEL, version: '1', point: POINT, replaced: null } }]);
      const back = await act(one, 'rollback', { note: 'wrong day' });
      expect(back.body.commissioning).toMatchObject([{ state: 'stopped', model: null }]);
      await machine.run(one, 3);
      await stopGateway();

      one = await oneGateway();
      await one.stopAndRead(async (store) => {
        gatewayStopped();
        const scores = await store.scores(POINT, 0, Date.now() + 3_600_000, 10_000);
        const byModel = scores.filter(({ model }) => model === MODEL);
        expect(byModel.length).toBeGreaterThan(0);
        expect(byModel.at(-1)!.timeMs).toBeLessThan(scores.at(-1)!.timeMs);
        // The healthy machine stays below the limit of its own model.
        expect(byModel.filter(({ anomalous }) => anomalous)).toEqual([]);
      });
    },
    2 * LEAST_PRIORITY_MS + 60_000,
  );

  it(
    'a machine over its limit of ISO 20816-3 waits for a person',
    async () => {
      const machine = new PostedMachine(POINT, Date.now() - 3_600_000);
      machine.level = 20;
      const one = await oneGateway({
        machines: [{ id: 'pump-1', class: 'pump', nameplate: { powerKw: 37, mounting: 'rigid' } }],
        commissioning: { learn: [{ for: { class: 'pump' }, healthy: '24h' }] },
      });
      await machine.run(one, 2);
      expect(await stateIs(one, 'collecting')).toMatchObject({ by: 'config', neededS: 86_400 });
      await machine.run(one, 45);
      const held = await stateIs(one, 'held');
      expect(held.message).toContain('zone D of ISO 20816-3');
      const asked = (await ask(one, 'GET', 'events?type=HumanDecisionRequested')).body.events;
      expect(asked).toHaveLength(1);
      const accepted = await act(one, 'accept', { note: 'a crusher' });
      expect(accepted.body.commissioning).toMatchObject([{ state: 'collecting', vouchedBy: 'anna' }]);
      expect((await act(one, 'stop')).body.commissioning).toMatchObject([{ state: 'stopped' }]);
    },
    LEAST_PRIORITY_MS + 60_000,
  );
});
