import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { machineSchema } from '#sm/diagnosis/machine.js';
import { Assessor } from '#sm/pipeline/assessment/assessor.js';
import { ModelFaults } from '#sm/pipeline/assessment/model-faults.js';
import {
  type CommitActivation,
  type FollowedAlias,
  ModelsInUse,
} from '#sm/pipeline/assessment/models-in-use.js';
import { scoreRows } from '#sm/pipeline/live/score-row.js';
import { analysisSpecOf, MachineRegistry } from '#sm/pipeline/machines/machines.js';
import { ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { catalogueOf, modelsConfigSchema } from '#sm/scoring/selection.js';
import type { Store } from '#sm/storage/store.js';
import { linearModel, manifestOf } from '../../scoring/support.js';
import { StoreFolder } from '../../support/store.js';

const CONFIG = modelsConfigSchema.parse({ default: 'none' });
const PUMPS: FollowedAlias = { name: 'linear-model', alias: 'champion', for: { class: 'pump' } };
const FANS: FollowedAlias = { ...PUMPS, for: { class: 'fan' } };
const PUMPS_TRIAL: FollowedAlias = { ...PUMPS, alias: 'challenger' };
const V1 = { name: 'linear', version: '1' };
const V2 = { name: 'linear', version: '2' };
const RENAMED = { name: 'linear-b', version: '3' };

const machines = new MachineRegistry(['pump', 'fan'].map((id) => machineSchema.parse({ id, class: id })));

describe('models in use', () => {
  let folder: StoreFolder;
  let store: Store;
  let modelStore: ModelStore;
  let scorer: Scorer;
  let assessor: Assessor;
  let models: ModelsInUse;

  /** The parts as after a start of the gateway. */
  const assemble = async (followed: readonly FollowedAlias[]) => {
    scorer = new Scorer({ clock: systemClock, metrics: new Metrics(), timeoutMs: 60_000 });
    const faults = new ModelFaults({ clock: systemClock, logger: silentLogger, metrics: new Metrics() });
    assessor = new Assessor(scorer, CONFIG, catalogueOf((await modelStore.list()).models));
    models = new ModelsInUse(modelStore, scorer, assessor, CONFIG, store, faults);
    await models.restore(followed);
  };

  beforeEach(async () => {
    folder = await StoreFolder.create();
    store = await folder.open();
    const localDir = join(folder.folder, 'models');
    for (const { name, version } of [V1, V2, RENAMED]) {
      const model = linearModel();
      const dir = join(localDir, name, version);
      await mkdir(dir, { recursive: true });
      await writeFile(join(dir, 'model.onnx'), model);
      await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifestOf(model, { name, version })));
    }
    modelStore = new ModelStore({
      bundledDir: join(folder.folder, 'none'),
      localDir,
      quarantine: quarantine(systemClock),
      metrics: new Metrics(),
    });
    await modelStore.open();
  });

  afterEach(async () => {
    await scorer?.close();
  });

  const commit: CommitActivation = (documents) => store.write({ documents });

  /** What scores the machine's vibration now; undefined where no model does. */
  const usedBy = async (machine: string): Promise<string | undefined> => {
    const context = machines.contextOf(`${machine}.de.acceleration`);
    const { scores } = await assessor.window(context, analysisSpecOf(context, 12_000, 'g'), {
      timeMs: 0,
      features: { a: 1, b: 1 },
    });
    const [score] = scores.filter(({ model }) => model !== 'baseline');
    return score === undefined ? undefined : `${score.model}/${score.version}`;
  };

  it('come into use, are replaced and stay over a restart without being announced again', async () => {
    await assemble([PUMPS]);
    const replacedKeys: (string | undefined)[] = [];
    const noted: CommitActivation = async (documents, replaced) => {
      replacedKeys.push(replaced);
      await commit(documents, replaced);
    };
    await models.activate(V1, PUMPS, noted);
    expect([await usedBy('pump'), await usedBy('fan')]).toEqual(['linear/1', undefined]);
    await models.activate(V2, PUMPS, noted);
    // A version may carry another name in its manifest: it is the alias that counts.
    await models.activate(RENAMED, PUMPS, noted);
    expect(await usedBy('pump')).toBe('linear-b/3');
    expect(replacedKeys).toEqual([undefined, 'linear/1', 'linear/2']);
    expect(scorer.loaded.sort()).toEqual(['linear-b/3', 'linear/2']);

    await scorer.close();
    await assemble([PUMPS]);
    expect(await usedBy('pump')).toBe('linear-b/3');
    await models.activate(RENAMED, PUMPS, noted);
    expect(replacedKeys).toHaveLength(3);
  });

  it('are not replaced where the change cannot be journaled', async () => {
    await assemble([PUMPS]);
    await models.activate(V1, PUMPS, commit);
    const full: CommitActivation = () => Promise.reject(new Error('the disk is full'));
    await expect(models.activate(V2, PUMPS, full)).rejects.toThrow('the disk is full');
    expect(await usedBy('pump')).toBe('linear/1');
    await scorer.close();
    await assemble([PUMPS]);
    expect(await usedBy('pump')).toBe('linear/1');
  });

  it('go out of use when the config follows them no more', async () => {
    await assemble([PUMPS, FANS]);
    for (const followed of [PUMPS, FANS]) await models.activate(V1, followed, commit);
    expect([await usedBy('pump'), await usedBy('fan')]).toEqual(['linear/1', 'linear/1']);
    await models.follow([FANS]);
    expect([await usedBy('pump'), await usedBy('fan')]).toEqual([undefined, 'linear/1']);
    await scorer.close();
    await assemble([PUMPS, FANS]);
    expect([await usedBy('pump'), await usedBy('fan')]).toEqual([undefined, 'linear/1']);
  });

  it('go by the order of the config, not by the order in which they came', async () => {
    await assemble([PUMPS, PUMPS_TRIAL]);
    await models.activate(V2, PUMPS_TRIAL, commit);
    expect(await usedBy('pump')).toBe('linear/2');
    await models.activate(V1, PUMPS, commit);
    expect(await usedBy('pump')).toBe('linear/1');
    await models.follow([PUMPS_TRIAL, PUMPS]);
    expect(await usedBy('pump')).toBe('linear/2');
  });

  it('several models of a point speak with one voice; one that is missing leaves the rest to speak', async () => {
    await assemble([]);
    await models.reconfigure(
      modelsConfigSchema.parse({
        default: 'none',
        rules: [{ model: ['linear', 'linear-b', 'gone'], combine: 'mean', for: { class: 'pump' } }],
      }),
    );
    const context = machines.contextOf('pump.de.acceleration');
    const spec = analysisSpecOf(context, 12_000, 'g');
    const features = { a: 1, b: 1 };
    const { worst } = await assessor.window(context, spec, { timeMs: 0, features });
    expect(worst).toMatchObject({
      model: 'ensemble',
      version: 'mean',
      threshold: 1,
      members: [{ model: 'linear' }, { model: 'linear-b' }],
      leftOut: expect.stringContaining('gone is not here'),
    });
    expect(scoreRows('p.x', 0, worst!, 'c').map(({ model }) => model)).toEqual([
      'ensemble',
      'linear',
      'linear-b',
    ]);
    expect((await assessor.reasons(context.point, worst!, features)).length).toBeGreaterThan(0);
  });
});
