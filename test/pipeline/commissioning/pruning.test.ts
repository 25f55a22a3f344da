import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#sm/base/clock.js';
import { silentLogger } from '#sm/base/logger.js';
import { Metrics } from '#sm/base/metrics.js';
import { Assessor } from '#sm/pipeline/assessment/assessor.js';
import { ModelFaults } from '#sm/pipeline/assessment/model-faults.js';
import { ModelsInUse } from '#sm/pipeline/assessment/models-in-use.js';
import { modelNameOf, nextVersion, OWN_DATA_TERMS } from '#sm/pipeline/commissioning/model-name.js';
import { LearnedPruning, type PruningDeps } from '#sm/pipeline/commissioning/pruning.js';
import { ModelStore } from '#sm/scoring/model-store.js';
import { quarantine } from '#sm/scoring/quarantine.js';
import { Scorer } from '#sm/scoring/scorer.js';
import { catalogueOf, modelsConfigSchema } from '#sm/scoring/selection.js';
import type { Store } from '#sm/storage/store.js';
import { modelDraft } from '#sm/sync/mlflow/rows.js';
import { linearModel, manifestOf, writeModel } from '../../scoring/support.js';
import { StoreFolder } from '../../support/store.js';

const POINT = 'pump-1.bearing-de.acceleration';
const NAME = modelNameOf(POINT);
const OWN = { data: 'healthy windows', terms: OWN_DATA_TERMS, samples: 100 };

describe('versions that were learned here', () => {
  let store: Store;
  let localDir: string;
  let modelStore: ModelStore;
  let scorer: Scorer;
  let models: ModelsInUse;

  const write = async (name: string, version: string, changes: Record<string, unknown> = {}) => {
    const model = linearModel();
    const manifest = manifestOf(model, { name, version, training: OWN, ...changes });
    await writeModel(join(localDir, name, version), model, manifest);
  };
  const versions = (name = NAME) => readdirSync(join(localDir, name)).sort((a, b) => Number(a) - Number(b));

  beforeEach(async () => {
    const folder = await StoreFolder.create();
    store = await folder.open();
    localDir = join(folder.folder, 'models');
    const metrics = new Metrics();
    const bundledDir = join(folder.folder, 'none');
    modelStore = new ModelStore({ bundledDir, localDir, quarantine: quarantine(systemClock), metrics });
    await modelStore.open();
    for (let version = 1; version <= 12; version++) await write(NAME, String(version));
    scorer = new Scorer({ clock: systemClock, metrics, timeoutMs: 60_000 });
    const config = modelsConfigSchema.parse({
      default: 'none',
      points: { 'fan.de.acceleration': `${NAME}/4` },
    });
    const faults = new ModelFaults({ clock: systemClock, logger: silentLogger, metrics });
    const assessor = new Assessor(scorer, config, catalogueOf((await modelStore.list()).models));
    models = new ModelsInUse(modelStore, scorer, assessor, config, store, faults);
    await models.restore([]);
  });

  afterEach(() => scorer.close());

  const pruning = (changes: Partial<PruningDeps> = {}) =>
    new LearnedPruning({
      ...{ logger: silentLogger, metrics: new Metrics(), modelStore, models, scorer, outbox: store.outbox },
      kept: () => [],
      keepVersions: () => 3,
      ...changes,
    });

  it('go but for the newest, those in use or to go back to, and those that wait for MLflow', async () => {
    await models.useLearned(POINT, { name: NAME, version: '2' }, async (documents) =>
      store.write({ documents }),
    );
    const upload = (version: string) =>
      modelDraft(
        {
          ...{ model: { name: NAME, version }, folder: join(localDir, NAME, version) },
          ...{ description: '', tags: {} },
        },
        'gw-1',
        'backlog',
        0,
      );
    await store.outbox.append([upload('5'), upload('6')]);
    const metrics = new Metrics();
    // 4 is named by the config, 7 is what a rollback goes to.
    const cleaning = pruning({ metrics, kept: () => [`${NAME}/7`] });
    await cleaning.prune();
    expect(versions()).toEqual(['2', '4', '5', '6', '7', '10', '11', '12']);
    expect(await metrics.registry.getSingleMetricAsString('sm_edge_learning_versions_pruned_total')).toMatch(
      / 4$/,
    );
    // No number is given twice, and what is left can be used.
    expect(nextVersion(await modelStore.list(), NAME)).toBe('13');
    expect((await modelStore.list()).broken).toEqual([]);
    expect(readdirSync(join(localDir, '.staging'))).toEqual([]);

    const [row] = await store.outbox.take('mlflow', 0, 1);
    await store.outbox.done([row!.id]);
    await cleaning.prune(NAME);
    expect(versions()).toEqual(['2', '4', '6', '7', '10', '11', '12']);
  });

  it('leave alone what was shipped, whatever its name', async () => {
    for (const version of ['1', '2', '3', '4', '5']) {
      await write('pump-vibration', version);
      await write('learned-elsewhere', version, { training: { ...OWN, terms: 'CC BY 4.0' } });
      await write('faults-pulled', version, { lineage: { mlflowRunId: 'abc' } });
      await write('faults-pump-1', version);
    }
    await pruning().prune();
    for (const name of ['pump-vibration', 'learned-elsewhere', 'faults-pulled'])
      expect(versions(name)).toHaveLength(5);
    expect(versions('faults-pump-1')).toEqual(['3', '4', '5']);
    expect(versions()).toEqual(['4', '10', '11', '12']);
    const bundled = { ...(await modelStore.resolve(NAME)), origin: 'bundled' as const };
    await expect(modelStore.remove(bundled)).rejects.toMatchObject({ code: 'MODEL_STORE' });
  });

  it('stay where the outbox cannot be asked', async () => {
    const outbox = { keys: () => Promise.reject(new Error('disk')) };
    await pruning({ outbox }).prune();
    expect(versions()).toHaveLength(12);
  });
});
