import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Actor } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import { formatDuration } from '../../base/duration.js';
import type { NewId } from '../../base/ids.js';
import type { CommissioningConfig } from '../../scoring/learning/config.js';
import type { ModelStore, StoredModel } from '../../scoring/model-store.js';
import type { LocalModel } from '../../sync/part.js';
import type { Announcer } from '../announcements/announcer.js';
import type { ModelsInUse } from '../assessment/models-in-use.js';
import type { MachineRegistry } from '../machines/machines.js';
import { modelNameOf, nextVersion } from './model-name.js';
import { type CommissioningRecord, documentsOf, healthySum } from './record.js';
import { statesText } from './sentence.js';
import type { TrainRequest, TrainResult } from './train-child.js';
import type { Trainer } from './trainer.js';

export interface RetrainingDeps {
  readonly clock: Clock;
  readonly newId: NewId;
  readonly gatewayId: string;
  /** The database that the windows are in. */
  readonly database: string;
  /** Folder for what a training has finished. */
  readonly folder: string;
  readonly trainer: Trainer;
  readonly modelStore: Pick<ModelStore, 'admit' | 'createStaging' | 'list'>;
  readonly models: Pick<ModelsInUse, 'useLearned'>;
  readonly announcer: Pick<Announcer, 'fact'>;
  readonly machines: Pick<MachineRegistry, 'contextOf'>;
  /** What is healthy at a point became known. */
  readonly onLearned: (result: Pick<TrainResult, 'healthy' | 'baselines'>) => Promise<void>;
}

/** Share of the hours, the last ones, on which a new model is compared with the one in use. */
const HELD_OUT = 0.2;
/** Share of the counted time that the store must still have: labels that came later may have taken some of it. */
const LEAST_LEFT = 0.9;

/** From healthy hours to a model in use: learned in a process of its own, let in as any other, announced. */
export class Retraining {
  readonly #deps: RetrainingDeps;

  constructor(deps: RetrainingDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#deps.trainer.stop();
  }

  /** Why a learned point is to be learned anew now; undefined where it is not. */
  due(record: CommissioningRecord, { every, drift }: CommissioningConfig['retrain']): string | undefined {
    const nowMs = this.#deps.clock.nowMs();
    if (every !== undefined && nowMs - (record.learnedMs ?? nowMs) >= every) return 'schedule';
    return drift !== undefined && record.driftSinceMs !== undefined ? 'drift' : undefined;
  }

  /**
   * Learns what was collected.
   * @throws SmEdgeError what learning and admission throw
   */
  async learn(
    record: CommissioningRecord,
    config: CommissioningConfig,
    onProgress: (share: number) => void,
  ): Promise<{ readonly record: CommissioningRecord; readonly taken: boolean }> {
    const { clock, trainer, modelStore, machines, database, gatewayId, folder } = this.#deps;
    const { point, startedMs, vouchedBy, firstMs, lastMs } = record;
    const nowMs = clock.nowMs();
    const name = modelNameOf(point);
    const version = nextVersion(await modelStore.list(), name);
    const { size } = machines.contextOf(point);
    const to = await modelStore.createStaging();
    const against = await this.#modelInUse(record);
    const training = trainer.train(
      {
        ...{ database, to, point, name, version, gatewayId },
        // By the clock of the data, which need not be that of the gateway.
        fromMs: firstMs ?? startedMs,
        toMs: lastMs ?? nowMs,
        vouched: vouchedBy !== undefined,
        falseAlarmIntervalMs: config.falseAlarm,
        leastHealthyMs: LEAST_LEFT * Math.min(record.neededMs, healthySum(record)),
        createdAt: new Date(nowMs).toISOString(),
        checkpoint: join(folder, `${name}-${version}.json`),
        ...(size === undefined ? {} : { size }),
        ...(record.model === undefined ? {} : { parentVersion: record.model.version }),
        ...(against === undefined ? {} : { against, heldOut: HELD_OUT }),
      },
      onProgress,
    );
    const result = await training.catch(async (thrown) => {
      await rm(to, { recursive: true, force: true });
      throw thrown;
    });
    if (result.comparison?.taken === false) {
      await rm(to, { recursive: true, force: true });
      return { record: await this.#keep(record, result.comparison), taken: false };
    }
    const model = await modelStore.admit(to);
    const next = await this.#take(record, model, result);
    await this.#deps.onLearned(result);
    return { record: next, taken: true };
  }

  /** The learned model goes out of use, and what was before it comes back. */
  async putBack(
    record: CommissioningRecord,
    model: LocalModel,
    former: LocalModel | undefined,
    actor: Actor,
  ): Promise<void> {
    const { models, announcer, newId, clock } = this.#deps;
    const { point } = record;
    const instead = former === undefined ? 'what the config says' : `${former.name}/${former.version}`;
    await models.useLearned(point, former, (documents) =>
      announcer.fact(
        'ModelRolledBack',
        {
          ...{ point, ...model, ...actor },
          former: former ?? null,
          message: `${actor.by} took ${model.name}/${model.version} of ${point} out of use; in use is ${instead}`,
          time: new Date(clock.nowMs()).toISOString(),
        },
        newId(),
        [...(documents ?? []), ...documentsOf(record)],
      ),
    );
  }

  /** The learned model of the record, where it is still here. */
  async #modelInUse({ model }: CommissioningRecord): Promise<TrainRequest['against']> {
    if (model === undefined) return undefined;
    const { models } = await this.#deps.modelStore.list();
    const stored = models.find(({ name, version }) => name === model.name && version === model.version);
    return stored === undefined ? undefined : { path: stored.path, manifest: stored.manifest };
  }

  /** The new model is worse than the one in use, which stays. */
  async #keep(
    record: CommissioningRecord,
    { falseAlarms, detected, rows }: NonNullable<TrainResult['comparison']>,
  ): Promise<CommissioningRecord> {
    const { announcer, newId, clock } = this.#deps;
    const nowMs = clock.nowMs();
    const { driftSinceMs: _drift, progress: _progress, ...rest } = record;
    const model = record.model!;
    const percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
    const says = `a new model was no better on ${rows} healthy windows that neither had seen: false alarms ${percent(falseAlarms.after)} instead of ${percent(falseAlarms.before)}, injected faults found ${percent(detected.after)} instead of ${percent(detected.before)}`;
    const next: CommissioningRecord = { ...rest, state: 'in-use', sinceMs: nowMs, learnedMs: nowMs, says };
    await announcer.fact(
      'RetrainCompleted',
      {
        ...{ point: record.point, outcome: 'kept', model: model.name, version: model.version },
        ...{ falseAlarms, detected, rows, by: record.by },
        message: `${model.name}/${model.version} of ${record.point} stays in use: ${says}`,
        time: new Date(nowMs).toISOString(),
      },
      newId(),
      documentsOf(next),
    );
    return next;
  }

  async #take(
    record: CommissioningRecord,
    model: StoredModel,
    { healthy: _healthy, baselines: _baselines, ...result }: TrainResult,
  ): Promise<CommissioningRecord> {
    const { models, announcer, newId, clock } = this.#deps;
    const { point } = record;
    const nowMs = clock.nowMs();
    const { driftSinceMs: _drift, progress: _progress, states: _states, ...rest } = record;
    const next: CommissioningRecord = {
      ...rest,
      ...(result.states.length === 0 ? {} : { states: [...result.states] }),
      state: 'in-use',
      sinceMs: nowMs,
      says: '',
      model: { name: model.name, version: model.version },
      former: record.model ?? null,
      learnedMs: nowMs,
    };
    const found = result.trials.find(({ detector }) => detector === result.detector)?.detected ?? 0;
    const states = Object.entries(result.healthyMs)
      .map(([state, ms]) => `${state} ${formatDuration(ms)}`)
      .join(', ');
    await models.useLearned(point, model, (documents, replaced) =>
      announcer.fact(
        'RetrainCompleted',
        {
          ...{ point, ...result, outcome: 'taken' },
          model: model.name,
          version: model.version,
          replaced: replaced ?? null,
          by: record.by,
          message: `${model.key} was learned from ${result.windows} healthy windows of ${point} (${states}) and is in use; it finds ${Math.round(100 * found)} % of injected faults${statesText(next)}`,
          time: new Date(nowMs).toISOString(),
        },
        newId(),
        [...(documents ?? []), ...documentsOf(next)],
      ),
    );
    return next;
  }
}
