import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { Metrics } from '#sm/base/metrics.js';
import { Assessor } from '#sm/pipeline/assessment/assessor.js';
import { analysisSpecOf, MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { catalogueOf, modelsConfigSchema } from '#sm/scoring/selection.js';
import { type OperatingState, RUN_UP, STOPPED, UNKNOWN, UNSEEN } from '#sm/scoring/states/state.js';
import { linearModel, manifestOf, storedModel, writeModel } from '../scoring/support.js';

const context = new MachineRegistry([]).contextOf('pump.de.acceleration');
const spec = { ...analysisSpecOf(context, 12_000, 'g'), blockLength: 8 };
const steady = (name: string): OperatingState => ({ kind: 'steady', name });
/** The model gives 2 a + 3 b + 1 = 21. */
const features = { a: 10, b: 0 };

let dir: string;
let scorer: Scorer;
let said: string[];
let timeMs: number;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sm-edge-thresholds-'));
  scorer = new Scorer({ clock: systemClock, metrics: new Metrics(), timeoutMs: 60_000 });
  said = [];
  timeMs = 0;
});

afterEach(async () => {
  await scorer.close();
  await rm(dir, { recursive: true, force: true });
});

const THRESHOLD = { value: 10, method: 'chosen by hand', states: { low: { value: 5 }, high: { value: 30 } } };

async function assessorWith(changes: Record<string, unknown>): Promise<Assessor> {
  const model = linearModel();
  const manifest = manifestOf(model, changes);
  const stored = storedModel(await writeModel(join(dir, 'linear', '1'), model, manifest), manifest);
  return new Assessor(scorer, modelsConfigSchema.parse({ default: 'linear' }), catalogueOf([stored]), {
    fallback: (_point, reason) => said.push(reason),
    threshold: (_point, reason) => said.push(reason),
  });
}

const verdict = async (assessor: Assessor, at: OperatingState | undefined) => {
  timeMs += 1_000;
  const { scores, unjudged } = await assessor.window(context, spec, { timeMs, features }, at);
  const found = scores.find(({ model }) => model === 'linear');
  return found === undefined ? unjudged : [found.threshold, found.anomalous, found.state];
};

describe('a model with thresholds of operating states', () => {
  it('is held against the threshold of the state, and the overall one where it has none', async () => {
    const assessor = await assessorWith({ threshold: THRESHOLD });
    expect(await verdict(assessor, steady('high'))).toEqual([30, false, 'high']);
    expect(await verdict(assessor, steady('low'))).toEqual([5, true, 'low']);
    // A machine without states is in none.
    expect(await verdict(assessor, undefined)).toEqual([10, true, undefined]);
    expect(said).toEqual([]);
    expect(await verdict(assessor, steady('hihg'))).toEqual([10, true, 'hihg']);
    await verdict(assessor, steady('hihg'));
    expect(said).toEqual([
      'linear/1 has thresholds for the states low, high, and none for hihg: its overall threshold counts there',
    ]);
  });

  it('says nothing while the machine stands still, runs up or is where no state is', async () => {
    const assessor = await assessorWith({ threshold: THRESHOLD });
    for (const state of [STOPPED, RUN_UP, UNSEEN])
      expect(await verdict(assessor, state)).toBe(`not judged: ${state.name}`);
  });

  it('takes the least strict threshold where the state is not known', async () => {
    const assessor = await assessorWith({ threshold: THRESHOLD });
    for (let i = 0; i < 60; i++)
      await assessor.window(
        context,
        spec,
        { timeMs: ++timeMs * 1_000, features: { a: 1 + (i % 7) / 10, b: (i % 5) / 10 } },
        steady('low'),
      );
    timeMs *= 1_000;
    expect(await verdict(assessor, UNKNOWN)).toEqual([30, false, 'unknown']);
  });

  it('is left to the baseline in a state that it has learned nothing of', async () => {
    const assessor = await assessorWith({
      threshold: { ...THRESHOLD, states: { low: { value: 5 } } },
      training: {
        ...{ data: 'none', terms: 'public domain', samples: 9 },
        // `idle` was seen, too rarely for a threshold of its own.
        states: { low: { samples: 8 }, idle: { samples: 1 } },
      },
    });
    expect(await verdict(assessor, steady('idle'))).toEqual([10, true, 'idle']);
    expect(said).toEqual([]);
    expect(await verdict(assessor, steady('high'))).toBe('new in the state high: 1 of 30 values learned');
    expect(said).toEqual(['linear/1: it has learned nothing of the state high (only low, idle)']);
  });
});
