import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';
import type { ModelManifest } from '../../scoring/manifest.js';
import type { ModelStore } from '../../scoring/model-store.js';
import type { Scorer } from '../../scoring/scorer.js';
import { catalogueOf, type ModelsConfig, referencesOf } from '../../scoring/selection.js';
import type { Store, WriteBatch } from '../../storage/store.js';
import type { LocalModel, ModelSelector } from '../../sync/part.js';
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
const LEARNED_DOCUMENT = 'models-learned';

const learnedSchema = z.array(z.object({ point: z.string(), key: z.string() }));

/** An alias of a registered model that the config follows, and the points that its version is for. */
export interface FollowedAlias {
  readonly name: string;
  readonly alias: string;
  readonly for: ModelSelector;
}

/** Journals what came into use; `documents` belong into the same commit. */
export type CommitActivation = (
  documents: NonNullable<WriteBatch['documents']>,
  replaced: string | undefined,
) => Promise<void>;

/**
 * Which models score which points: the config's rules, and before them what the remote's aliases say, in the order in
 * which the config names them. A change is in force from the next window on, without a restart.
 */
export class ModelsInUse {
  readonly #store: ModelStore;
  readonly #memory: Pick<Store, 'document' | 'write'>;
  readonly #scorer: Scorer;
  readonly #assessor: Assessor;
  readonly #faults: ModelFaults;
  /** Slots in the order of the config: the first that matches a point decides. */
  #slots: readonly string[] = [];
  #activations: ReadonlyMap<string, Activation> = new Map();
  /** Key of the model that was learned of a point here, by point. */
  #learned: ReadonlyMap<string, string> = new Map();
  /** Slot to the key that was in use before: windows under way still ask for it. */
  readonly #former = new Map<string, string>();
  #config: ModelsConfig;
  #manifests: ReadonlyMap<string, ModelManifest> = new Map();

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
  async restore(followed: readonly FollowedAlias[]): Promise<void> {
    const stored = z.array(activationSchema).safeParse(await this.#memory.document(DOCUMENT));
    this.#activations = new Map((stored.data ?? []).map((activation) => [activation.slot, activation]));
    const learned = learnedSchema.safeParse(await this.#memory.document(LEARNED_DOCUMENT));
    this.#learned = new Map((learned.data ?? []).map(({ point, key }) => [point, key]));
    await this.follow(followed);
  }

  /** Follows these aliases from now on. What came down for others goes out of use. */
  async follow(followed: readonly FollowedAlias[]): Promise<void> {
    this.#slots = followed.map(slotOf);
    const kept = new Map([...this.#activations].filter(([slot]) => this.#slots.includes(slot)));
    const dropped = kept.size < this.#activations.size;
    this.#activations = kept;
    if (dropped) await this.#memory.write({ documents: documentsOf(kept) });
    await this.#apply();
  }

  /**
   * Takes a version into use for the points of `followed`. Nothing happens where it was in use already (each start
   * says it again). `commit` gets the key of the version that it takes the place of; where it throws, that one stays.
   */
  async activate(model: LocalModel, followed: FollowedAlias, commit: CommitActivation): Promise<void> {
    const stored = await this.#store.resolve(model.name, model.version);
    // Loaded first: a model that does not load must not replace one that works.
    await this.#scorer.load(stored);
    const slot = slotOf(followed);
    const replaced = this.#activations.get(slot)?.key;
    if (replaced === stored.key) return;
    const activation = { slot, key: stored.key, selector: scopeOf(followed.for) };
    const next = new Map(this.#activations).set(slot, activation);
    await commit(documentsOf(next), replaced);
    this.#activations = next;
    await this.#apply();
    if (replaced !== undefined) await this.#retire(slot, replaced);
  }

  /**
   * Takes the model that was learned of a point into use for it, or out of use where none is named. What the config
   * names for the point, or an alias for that very point, comes before it. `commit` as of `activate`.
   */
  async useLearned(point: string, model: LocalModel | undefined, commit: CommitActivation): Promise<void> {
    const replaced = this.#learned.get(point);
    const next = new Map(this.#learned);
    if (model === undefined) next.delete(point);
    else {
      const stored = await this.#store.resolve(model.name, model.version);
      await this.#scorer.load(stored);
      next.set(point, stored.key);
    }
    const document = [...next].map(([of, key]) => ({ point: of, key }));
    await commit([{ key: LEARNED_DOCUMENT, document }], replaced);
    this.#learned = next;
    await this.#apply();
    if (replaced !== undefined) await this.#retire(`learned ${point}`, replaced);
  }

  /** Whether anything scores by a version, or windows under way may still ask for it. */
  isNamed(key: string): boolean {
    const { default: reference, points, rules } = this.#config;
    return (
      [...this.#activations.values()].some((activation) => activation.key === key) ||
      [...this.#learned.values()].includes(key) ||
      [...this.#former.values()].includes(key) ||
      [reference, ...Object.values(points), ...rules.map(({ model }) => model)]
        .flatMap(referencesOf)
        .some((name) => name === key || name === key.split('/')[0])
    );
  }

  async reconfigure(config: ModelsConfig): Promise<void> {
    this.#config = config;
    await this.#apply();
  }

  /** Of a model that is here, by `NAME/VERSION`. */
  manifestOf(key: string): ModelManifest | undefined {
    return this.#manifests.get(key);
  }

  /** The model of points that no rule names: events and figures without a model of their own go by it. */
  async defaultModel(): Promise<LocalModel> {
    const { default: reference } = this.#config;
    const [first = ''] = referencesOf(reference === 'none' ? 'builtin' : reference);
    const [name, version] = first.split('/');
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
    this.#manifests = new Map(models.map(({ key, manifest }) => [key, manifest]));
    const aliases = this.#slots
      .map((slot) => this.#activations.get(slot))
      .filter((activation) => activation !== undefined)
      .map(({ key, selector }) => ({ model: key, for: scopeOf(selector) }));
    const here = new Set(models.map(({ key }) => key));
    const learned = [...this.#learned]
      .filter(([, key]) => here.has(key))
      .map(([point, key]) => ({ model: key, for: { point } }));
    // The more exactly a rule names the point, the earlier: an alias for it, its own model, an alias for many.
    const rules = [
      ...aliases.filter((rule) => rule.for.point !== undefined),
      ...learned,
      ...aliases.filter((rule) => rule.for.point === undefined),
    ];
    this.#assessor.use({ ...this.#config, rules: [...rules, ...this.#config.rules] }, catalogueOf(models));
  }

  /** Frees what `former` itself took the place of, unless something else still names it. */
  async #retire(slot: string, former: string): Promise<void> {
    const leaving = this.#former.get(slot);
    this.#former.set(slot, former);
    if (leaving === undefined) return;
    if (!this.isNamed(leaving)) await this.#scorer.release(leaving);
  }
}

const slotOf = ({ name, alias, for: { class: machineClass, quantity, point } }: FollowedAlias): string =>
  JSON.stringify([name, alias, machineClass, quantity, point]);

const documentsOf = (activations: ReadonlyMap<string, Activation>) => [
  { key: DOCUMENT, document: [...activations.values()] },
];

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
