import { expect, it } from 'vitest';
import { silentLogger } from '#sm/base/logger.js';
import type { Subscription } from '#sm/events/bus.js';
import { CaseMemory } from '#sm/pipeline/cases/case-memory.js';
import { knownPayload, knownSentence } from '#sm/pipeline/cases/known-text.js';
import { conclusive, speaksAgainst } from '#sm/pipeline/cases/physical-voice.js';
import { MachineRegistry } from '#sm/pipeline/machines/machines.js';
import {
  featureRows,
  journaled,
  labelled,
  POINT,
  raised,
  returned,
  writeFeatures,
} from '../../support/history.js';
import { StoreFolder } from '../../support/store.js';

it('physics has a voice where it names a fault, and is sure', () => {
  expect(conclusive({ fault: 'inner', confidence: 0.9 })).toBe('inner');
  for (const fault of ['normal', 'unknown'] as const)
    expect(conclusive({ fault, confidence: 0.9 })).toBeUndefined();
  expect(conclusive({ fault: 'inner', confidence: 0.4 })).toBeUndefined();
  expect(conclusive(undefined)).toBeUndefined();
});

it('it speaks against a name at whose cases it always said another fault', () => {
  expect(speaksAgainst('inner', ['outer', undefined])).toBe(true);
  expect(speaksAgainst('outer', ['outer', 'inner'])).toBe(false);
  // It said nothing then, or says nothing now.
  expect(speaksAgainst('inner', [undefined, undefined])).toBe(false);
  expect(speaksAgainst(undefined, ['outer'])).toBe(false);
});

it('a case knows what physics said while it stood', async () => {
  const T = Date.UTC(2026, 10, 1);
  const made = await StoreFolder.create();
  const store = await made.open();
  await writeFeatures(store, featureRows(POINT, T, 100));
  const label = labelled('odd', POINT, T + 10_000, true, 'Lagerring außen');
  await store.write({
    events: [
      journaled('AnomalyDetected', T + 9_000, { point: POINT, diagnosis: { fault: 'outer' } }, 'seen'),
      journaled('AnomalyValidated', T + 9_000, { point: POINT, outcome: 'confirmed' }, 'believed', 'seen'),
      raised('odd', POINT, T + 10_000, 'believed'),
      returned('odd', POINT, T + 60_000),
      label,
    ],
  });
  let handler: Subscription['handler'] | undefined;
  const memory = new CaseMemory({
    logger: silentLogger,
    store,
    bus: {
      subscribe: async (of: { handler: Subscription['handler'] }) => {
        handler = of.handler;
        return async () => undefined;
      },
    },
    machines: new MachineRegistry([]),
    onChange: () => undefined,
  });
  await memory.start();
  await handler!(label);
  expect(memory.list()).toMatchObject([{ label: 'lagerring-außen', diagnosis: 'outer' }]);
  const restored = new CaseMemory({
    ...{ logger: silentLogger, store, machines: new MachineRegistry([]) },
    ...{ bus: { subscribe: async () => async () => undefined }, onChange: () => undefined },
  });
  await restored.restore();
  expect(restored.list()[0]).toMatchObject({ diagnosis: 'outer' });
});

it('an event says what the cases would have called it, and why it is not called so', () => {
  const classification = {
    ...{
      label: 'unknown',
      probability: 0.8,
      probabilities: { 'outer-race': 0.8, unknown: 0.1, normal: 0.1 },
    },
    ...{ model: 'faults-pump/1', contradicted: { label: 'outer-race', diagnosis: 'inner' } },
  };
  const known = { healthy: undefined, faulty: undefined, classification };
  expect(knownSentence(known)).toBe(
    ' By its features it is like outer-race, but physics says inner, as at none of those cases: nobody has named it yet.',
  );
  expect(knownPayload(known)).toEqual({ classification });
});
