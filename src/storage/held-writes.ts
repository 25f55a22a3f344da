import type { Clock } from '../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { type Random, systemRandom } from '../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import type { WriteBatch } from './rows.js';
import { batchBytes } from './wire/wire.js';

export interface HeldWritesOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly write: (batch: WriteBatch) => Promise<void>;
  readonly maxBytes: number;
  readonly random?: Random;
}

interface Held {
  readonly batch: WriteBatch;
  readonly bytes: number;
}

const RETRY: RetrySchedule = { initialMs: 500, maxMs: 15_000, factor: 2, jitter: 0.2, limit: Infinity };
/** What goes first when the memory is used up, the oldest of each: the same order as on the disk. */
const DROP_ORDER = ['blocks', 'readings', 'readingColumns', 'features', 'scores'] as const;
const NOTHING = { blocks: 0, readings: 0, readingColumns: 0, features: 0, scores: 0 };
/** Emptied batches that may stay in the list before it is made anew. */
const MAX_EMPTIED = 1_000;

/**
 * Writes that nobody waits for, while the disk takes none: kept in memory up to a limit, and written in order when
 * there is room again. Over the limit the oldest waveforms go first, then readings, features and scores, each counted.
 */
export class HeldWrites {
  readonly #options: HeldWritesOptions;
  readonly #metrics;
  readonly #random: Random;
  #held: Held[] = [];
  /** How many batches at the front of the list have no rows of a kind any more. */
  #dropped: Record<(typeof DROP_ORDER)[number], number> = { ...NOTHING };
  #emptied = 0;
  #bytes = 0;
  #attempt = 0;
  #retrying = false;
  #closed = false;

  constructor(options: HeldWritesOptions) {
    this.#options = options;
    this.#random = options.random ?? systemRandom;
    const { metrics } = options;
    this.#metrics = {
      bytes: metrics.gauge('sm_edge_storage_held_bytes', 'Bytes kept in memory until the disk takes them.'),
      dropped: metrics.counter(
        'sm_edge_storage_held_dropped_total',
        'Rows that the disk did not take and the memory could not keep.',
        ['kind'],
      ),
    };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Writes, or keeps for later. Rejects only what can never be written. */
  async save(batch: WriteBatch): Promise<void> {
    if (this.#held.length > 0) return this.#keep(batch);
    try {
      await this.#options.write(batch);
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'STORE_WRITE');
      if (!error.retryable || this.#closed) throw error;
      this.#keep(batch);
    }
  }

  /** A last try; what the disk still refuses is counted as dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writeHeld().catch(() => undefined);
    for (const { batch } of this.#held) this.#count(batch);
    this.#held = [];
    this.#setBytes(0);
  }

  #keep(batch: WriteBatch): void {
    const bytes = batchBytes(batch);
    this.#held.push({ batch, bytes });
    this.#setBytes(this.#bytes + bytes);
    this.#makeRoom();
    this.#retryLater();
  }

  #makeRoom(): void {
    for (const kind of DROP_ORDER) {
      // From where the last drop ended: the list may be long, and this is done for each batch that comes.
      let index = this.#dropped[kind];
      for (; index < this.#held.length && this.#bytes > this.#options.maxBytes; index++) {
        const { batch, bytes } = this.#held[index]!;
        const rows = batch[kind];
        if (rows === undefined || rows.length === 0) continue;
        const { [kind]: _dropped, ...rest } = batch;
        const restBytes = isEmpty(rest) ? 0 : batchBytes(rest);
        this.#held[index] = { batch: rest, bytes: restBytes };
        if (restBytes === 0) this.#emptied++;
        this.#setBytes(this.#bytes - bytes + restBytes);
        this.#metrics.dropped.inc({ kind }, rows.length);
      }
      this.#dropped[kind] = index;
    }
    if (this.#emptied < Math.max(MAX_EMPTIED, this.#held.length / 2)) return;
    this.#held = this.#held.filter(({ batch }) => !isEmpty(batch));
    this.#dropped = { ...NOTHING };
    this.#emptied = 0;
  }

  #retryLater(): void {
    if (this.#retrying || this.#closed) return;
    this.#retrying = true;
    const delayMs = retryDelayMs(RETRY, this.#attempt++, this.#random) ?? RETRY.maxMs;
    this.#options.clock.setTimer('write what is held', delayMs, () => {
      this.#writeHeld()
        .then(() => {
          this.#attempt = 0;
        })
        .catch(() => undefined)
        .finally(() => {
          this.#retrying = false;
          if (this.#held.length > 0) this.#retryLater();
        });
    });
  }

  async #writeHeld(): Promise<void> {
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      try {
        if (!isEmpty(next.batch)) await this.#options.write(next.batch);
      } catch (thrown) {
        const error: SmEdgeError = toSmEdgeError(thrown, 'STORE_WRITE');
        if (error.retryable) throw error;
        this.#count(next.batch);
      }
      // While it was written it may have been thinned out to make room; it is the oldest still.
      const oldest = this.#held.shift();
      this.#setBytes(this.#bytes - (oldest?.bytes ?? 0));
      if (oldest !== undefined && isEmpty(oldest.batch)) this.#emptied--;
      for (const kind of DROP_ORDER) this.#dropped[kind] = Math.max(0, this.#dropped[kind] - 1);
    }
  }

  #count(batch: WriteBatch): void {
    for (const [kind, rows] of Object.entries(batch)) this.#metrics.dropped.inc({ kind }, rows.length);
  }

  #setBytes(bytes: number): void {
    this.#bytes = Math.max(0, bytes);
    this.#metrics.bytes.set(this.#bytes);
  }
}

const isEmpty = (batch: WriteBatch): boolean => Object.values(batch).every((rows) => rows.length === 0);
