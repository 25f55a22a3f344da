import { z } from 'zod';
import { SmEdgeError } from '../base/errors.js';
import type { ModelStore } from '../scoring/model-store.js';
import type { Scorer } from '../scoring/scorer.js';
import { catalogueOf, type ModelsConfig } from '../scoring/selection.js';
import type { Store } from '../storage/store.js';
import type { LocalModel, ModelSelector } from '../sync/part.js';
import type { Assessor } from './assessor.js';
import type { ModelFaults } from './model-faults.js';

const activationSchema = z.object({
  slot: z.string(),
  key: z.string(),
  selector: z.object({
    class: z.string().optional(),
    quantity: z.string().optional(),
    point: z.string().optional(),
  }),
});

/** One model that the remote wants in use, and where. */
type Activation = z.infer<typeof activationSchema>;

const DOCUMENT = 'models-in-use';

/**
 * Which models score which points: the config's rules, and before them what the remote's aliases say. A change is in
 * force from the next window on, without a restart.
 */
export class ModelsInUse {
  readonly #store: ModelStore;
  readonly #memory: Pick<Store, 'document' | 'write'>;
  readonly #scorer: Scorer;
  readonly #assessor: Assessor;
  readonly #faults: ModelFaults;
  /** By registered name: the newest activation of each wins. */
  readonly #activations = new Map<string, Activation>();
  #config: ModelsConfig;

  constructor(
    store: ModelStore,
    scorer: Scorer,
    assessor: Assessor,
    config: ModelsConfig,
    memory: Pick<Store, 'document' | 'write'>,
    faults: ModelFaults,
  ) {
    this.#faults = faults;
    this.#memory = memory;
    this.#store = store;
    this.#scorer = scorer;
    this.#assessor = assessor;
    this.#config = config;
  }

  /** Takes up what was in use before the restart: the remote may be away for long. */
  async restore(): Promise<void> {
    const stored = z.array(activationSchema).safeParse(await this.#memory.document(DOCUMENT));
    for (const activation of stored.data ?? []) this.#activations.set(activation.slot, activation);
    if (this.#activations.size > 0) await this.#apply();
  }

  /**
   * Takes a version into use for the points of `selector`. `changed` is false where it was in use already (each start
   * says it again); `replaced` is the key of the version that it takes the place of.
   */
  async activate(
    model: LocalModel,
    selector: ModelSelector,
  ): Promise<{ readonly changed: boolean; readonly replaced: string | undefined }> {
    const stored = await this.#store.resolve(model.name, model.version);
    // Loaded first: a model that does not load must not replace one that works.
    await this.#scorer.load(stored);
    const slot = JSON.stringify([model.name, selector.class, selector.quantity, selector.point]);
    const replaced = this.#activations.get(slot)?.key;
    if (replaced === stored.key) return { changed: false, replaced: undefined };
    this.#activations.set(slot, { slot, key: stored.key, selector: scopeOf(selector) });
    await this.#apply();
    await this.#memory.write({ documents: [{ key: DOCUMENT, document: [...this.#activations.values()] }] });
    if (replaced !== undefined) await this.#scorer.release(replaced);
    return { changed: true, replaced };
  }

  async reconfigure(config: ModelsConfig): Promise<void> {
    this.#config = config;
    await this.#apply();
  }

  /** The model of points that no rule names: events and figures without a model of their own go by it. */
  async defaultModel(): Promise<LocalModel> {
    const { default: reference } = this.#config;
    const [name, version] = (
      reference === 'builtin' || reference === 'none' ? 'vibration-anomaly' : reference
    ).split('/');
    const found = await this.#store.resolve(name!, version).catch((thrown) => {
      if (thrown instanceof SmEdgeError) return undefined;
      throw thrown;
    });
    return found === undefined
      ? { name: 'baseline', version: '1' }
      : { name: found.name, version: found.version };
  }

  async #apply(): Promise<void> {
    const { models, broken } = await this.#store.list();
    this.#faults.reset(broken);
    const rules = [...this.#activations.values()].map(({ key, selector }) => ({
      model: key,
      for: scopeOf(selector),
    }));
    this.#assessor.use({ ...this.#config, rules: [...rules, ...this.#config.rules] }, catalogueOf(models));
  }
}

function scopeOf({
  class: machineClass,
  quantity,
  point,
}: ModelSelector): ModelsConfig['rules'][number]['for'] {
  return {
    ...(machineClass === undefined ? {} : { class: machineClass }),
    ...(quantity === undefined ? {} : { quantity }),
    ...(point === undefined ? {} : { point }),
  };
}
