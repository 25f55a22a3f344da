import { z } from 'zod';
import type { SourceMemory } from '../part.js';

const recordSchema = z.object({
  url: z.string(),
  clientId: z.string(),
  filters: z.record(z.string(), z.number()),
});

type Filters = ReadonlyMap<string, 0 | 1 | 2>;

/**
 * Remembers which filters a persistent session holds at the broker. Without it the broker goes on sending what an
 * earlier configuration asked for, and nobody can ask it what that is.
 */
export class SubscriptionRecord {
  readonly #key: string;
  readonly #url: string;
  readonly #clientId: string;
  readonly #memory: SourceMemory | undefined;

  constructor(source: string, url: string, clientId: string, memory: SourceMemory | undefined) {
    this.#key = `mqtt/${source}/subscriptions`;
    this.#url = url;
    this.#clientId = clientId;
    this.#memory = memory;
  }

  /** Filters of the session that are no longer asked for. */
  staleFilters(filters: Filters): string[] {
    return Object.keys(this.#read()).filter((filter) => !filters.has(filter));
  }

  /** Whether the session already has exactly these filters at these QoS. */
  matches(filters: Filters): boolean {
    const known = this.#read();
    return (
      Object.keys(known).length === filters.size &&
      [...filters].every(([filter, qos]) => known[filter] === qos)
    );
  }

  save(filters: Filters): void {
    if (this.#memory === undefined || this.matches(filters)) return;
    const record = { url: this.#url, clientId: this.#clientId, filters: Object.fromEntries(filters) };
    this.#memory.write(this.#key, JSON.stringify(record));
  }

  #read(): Readonly<Record<string, number>> {
    const text = this.#memory?.read(this.#key);
    if (text === undefined) return {};
    try {
      const record = recordSchema.parse(JSON.parse(text));
      return record.url === this.#url && record.clientId === this.#clientId ? record.filters : {};
    } catch {
      // A damaged record is as good as none: all filters are subscribed again.
      return {};
    }
  }
}
