import { toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Metrics } from '../../base/metrics.js';
import type { ModelStore, StoredModel } from '../../scoring/model-store.js';
import type { Scorer } from '../../scoring/scorer.js';
import type { Outbox } from '../../storage/outbox.js';
import { modelRowPrefix, SINK } from '../../sync/mlflow/rows.js';
import type { ModelsInUse } from '../assessment/models-in-use.js';
import { isLearnedHere } from './model-name.js';

export interface PruningDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly modelStore: Pick<ModelStore, 'list' | 'remove'>;
  readonly models: Pick<ModelsInUse, 'isNamed'>;
  readonly scorer: Pick<Scorer, 'release'>;
  readonly outbox: Pick<Outbox, 'keys'>;
  /** Versions that a person may go back to, or that name faults, `NAME/VERSION`. */
  readonly kept: () => Iterable<string>;
  /** Newest versions of each model that stay in any case. */
  readonly keepVersions: () => number;
}

/** Removes versions that were learned here and that nobody needs any more: a gateway that learns anew for years keeps its disk. */
export class LearnedPruning {
  readonly #deps: PruningDeps;
  readonly #pruned;

  constructor(deps: PruningDeps) {
    this.#deps = deps;
    this.#pruned = deps.metrics.counter(
      'sm_edge_learning_versions_pruned_total',
      'Learned model versions that were removed since newer ones took their place.',
    );
  }

  /**
   * Removes what is old of one model, or of all. It never throws: a version that cannot be removed is tried again
   * after the next training.
   */
  async prune(name?: string): Promise<void> {
    const { logger, modelStore, scorer } = this.#deps;
    try {
      for (const model of await this.#old(name)) {
        await modelStore.remove(model);
        await scorer.release(model.key);
        this.#pruned.inc();
        logger.info({ model: model.key }, 'an old version of a learned model was removed');
      }
    } catch (thrown) {
      logger.warn({ error: toErrorRecord(thrown) }, 'old versions of learned models could not be removed');
    }
  }

  async #old(name: string | undefined): Promise<StoredModel[]> {
    const { modelStore, models, outbox, kept, keepVersions } = this.#deps;
    const byName = new Map<string, StoredModel[]>();
    for (const model of (await modelStore.list()).models) {
      if (!isLearnedHere(model) || (name !== undefined && model.name !== name)) continue;
      byName.set(model.name, [...(byName.get(model.name) ?? []), model]);
    }
    // The list is in the order of the versions.
    const beyond = [...byName.values()].flatMap((versions) => versions.slice(0, -keepVersions()));
    if (beyond.length === 0) return [];
    const waiting = new Set(await outbox.keys(SINK, modelRowPrefix));
    const needed = new Set(kept());
    return beyond.filter(
      ({ key }) => !needed.has(key) && !models.isNamed(key) && !waiting.has(`${modelRowPrefix}${key}`),
    );
  }
}
