import { toErrorRecord } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { SourceMemory } from '../../sources/part.js';
import type { Store } from '../../storage/store.js';

const KEY = 'source-memories';
/** What one source may keep, in characters: a few facts, not data. */
const MAX_CHARACTERS = 1 << 20;

/** The few facts that sources keep over a restart: read once at the start, written through as they change. */
export class SourceMemories {
  readonly #store: Pick<Store, 'document' | 'write'>;
  readonly #logger: Logger;
  readonly #values: Map<string, Map<string, string>>;

  private constructor(
    store: Pick<Store, 'document' | 'write'>,
    logger: Logger,
    values: Map<string, Map<string, string>>,
  ) {
    this.#store = store;
    this.#logger = logger;
    this.#values = values;
  }

  static async open(store: Pick<Store, 'document' | 'write'>, logger: Logger): Promise<SourceMemories> {
    const stored = ((await store.document(KEY)) ?? {}) as Record<string, Record<string, string>>;
    const values = new Map(Object.entries(stored).map(([id, facts]) => [id, new Map(Object.entries(facts))]));
    return new SourceMemories(store, logger, values);
  }

  of(sourceId: string): SourceMemory {
    return {
      read: (key) => this.#values.get(sourceId)?.get(key),
      write: (key, value) => {
        if (value.length > MAX_CHARACTERS) return;
        const facts = this.#values.get(sourceId) ?? new Map<string, string>();
        this.#values.set(sourceId, facts);
        facts.set(key, value);
        this.#save();
      },
    };
  }

  #save(): void {
    const document = Object.fromEntries(
      [...this.#values].map(([id, facts]) => [id, Object.fromEntries(facts)]),
    );
    this.#store.write({ documents: [{ key: KEY, document }] }).catch((thrown) => {
      this.#logger.warn(
        { error: toErrorRecord(thrown) },
        'what a source wants to remember could not be stored',
      );
    });
  }
}
