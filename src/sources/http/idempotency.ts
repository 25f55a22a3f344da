import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import type { SourceMemory } from '../part.js';

/** How long a key is remembered, milliseconds. */
const REMEMBERED_MS = 10 * 60_000;
/** Keys remembered at most, and those of them that outlive a restart. */
const MAX_KEYS = 50_000;
const MAX_KEPT = 2_000;
/** What came in is written down this often at most, milliseconds. */
const SAVE_INTERVAL_MS = 1_000;
const MEMORY_KEY = 'idempotency';

interface Entry<T> {
  readonly digest: string;
  readonly atMs: number;
  result: Promise<T>;
  /** Once it is known. */
  value?: T;
}

/**
 * Answers a request that comes again with the same key as it was answered the first time, for ten minutes. A request
 * that failed is forgotten, so that it may be made again.
 */
export class Idempotency<T> {
  readonly #clock: Clock;
  readonly #memory: SourceMemory | undefined;
  readonly #entries = new Map<string, Entry<T>>();
  #save: Timer | undefined;

  constructor(clock: Clock, memory: SourceMemory | undefined) {
    this.#clock = clock;
    this.#memory = memory;
    this.#restore();
  }

  /**
   * Runs `work`, or gives the answer of the request that had the key before.
   * @throws SmEdgeError `IDEMPOTENCY_KEY_REUSED` where the key came with another body
   */
  async once(
    key: string,
    body: unknown,
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly repeated: boolean }> {
    this.#forget();
    const digest = createHash('sha256').update(JSON.stringify(body)).digest('base64');
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (known.digest !== digest) {
        throw new SmEdgeError('IDEMPOTENCY_KEY_REUSED', `the key ${key} was used for another body`, {
          hint: 'make a new key for each request; use it again only to repeat that request',
        });
      }
      return { result: await known.result, repeated: true };
    }
    const entry: Entry<T> = { digest, atMs: this.#clock.nowMs(), result: work() };
    this.#entries.set(key, entry);
    try {
      const result = await entry.result;
      entry.value = result;
      this.#saveSoon();
      return { result, repeated: false };
    } catch (thrown) {
      this.#entries.delete(key);
      throw thrown;
    }
  }

  /** Writes down what is known. */
  flush(): void {
    this.#save?.cancel();
    this.#save = undefined;
    const kept = [...this.#entries]
      .filter(([, { value }]) => value !== undefined)
      .slice(-MAX_KEPT)
      .map(([key, { digest, atMs, value }]) => [key, digest, atMs, value]);
    this.#memory?.write(MEMORY_KEY, JSON.stringify(kept));
  }

  #saveSoon(): void {
    if (this.#memory === undefined) return;
    this.#save ??= this.#clock.setTimer('idempotency keys', SAVE_INTERVAL_MS, () => this.flush());
  }

  /** Entries stand in the order of their time: the oldest are first. */
  #forget(): void {
    const nowMs = this.#clock.nowMs();
    for (const [key, { atMs }] of this.#entries) {
      if (nowMs - atMs < REMEMBERED_MS && this.#entries.size <= MAX_KEYS) break;
      this.#entries.delete(key);
    }
  }

  #restore(): void {
    const text = this.#memory?.read(MEMORY_KEY);
    if (text === undefined) return;
    for (const [key, digest, atMs, value] of JSON.parse(text) as [string, string, number, T][]) {
      this.#entries.set(key, { digest, atMs, value, result: Promise.resolve(value) });
    }
  }
}
