import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Actor } from '../../alarms/engine.js';
import type { Clock } from '../../base/clock.js';
import { formatDuration } from '../../base/duration.js';
import type { NewId } from '../../base/ids.js';
import type { CommissioningConfig } from '../../scoring/learning/config.js';
import type { ModelStore, StoredModel } from '../../scoring/model-store.js';
import type { LocalModel } from '../../sync/part.js';
import type { Announcer } from '../announcer.js';
import type { MachineRegistry } from '../machines.js';
import type { ModelsInUse } from '../models-in-use.js';
import { modelNameOf, nextVersion } from './model-name.js';
import { type CommissioningRecord, documentsOf, healthySum } from './record.js';
import type { TrainResult } from './train-child.js';
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
    if (drift !== undefined && record.driftSinceMs !== undefined && nowMs - record.driftSinceMs >= DRIFT_MS)
      return 'drift';
    return undefined;
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
      },
      onProgress,
    );
    const result = await training.catch(async (thrown) => {
      await rm(to, { recursive: true, force: true });
      throw thrown;
    });
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

  async #take(
    record: CommissioningRecord,
    model: StoredModel,
    { healthy: _healthy, baselines: _baselines, ...result }: TrainResult,
  ): Promise<CommissioningRecord> {
    const { models, announcer, newId, clock } = this.#deps;
    const { point } = record;
    const nowMs = clock.nowMs();
    const { driftSinceMs: _drift, progress: _progress, ...rest } = record;
    const next: CommissioningRecord = {
      ...rest,
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
          ...{ point, ...result },
          model: model.name,
          version: model.version,
          replaced: replaced ?? null,
          by: record.by,
          message: `${model.key} was learned from ${result.windows} healthy windows of ${point} (${states}) and is in use; it finds ${Math.round(100 * found)} % of injected faults`,
          time: new Date(nowMs).toISOString(),
        },
        newId(),
        [...(documents ?? []), ...documentsOf(next)],
      ),
    );
    return next;
  }
}

const DRIFT_MS = 86_400_000;
