import type { Clock } from '../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { type Random, systemRandom } from '../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import type { WriteBatch } from './rows.js';
import { wireBytes } from './wire.js';

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

/**
 * Writes that nobody waits for, while the disk takes none: kept in memory up to a limit, and written in order when
 * there is room again. Over the limit the oldest waveforms go first, then readings, features and scores, each counted.
 */
export class HeldWrites {
  readonly #options: HeldWritesOptions;
  readonly #metrics;
  readonly #random: Random;
  #held: Held[] = [];
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
    const bytes = wireBytes(batch);
    this.#held.push({ batch, bytes });
    this.#setBytes(this.#bytes + bytes);
    this.#makeRoom();
    this.#retryLater();
  }

  #makeRoom(): void {
    for (const kind of DROP_ORDER) {
      for (let index = 0; index < this.#held.length && this.#bytes > this.#options.maxBytes; index++) {
        const { batch, bytes } = this.#held[index]!;
        const rows = batch[kind];
        if (rows === undefined || rows.length === 0) continue;
        const { [kind]: _dropped, ...rest } = batch;
        const restBytes = wireBytes(rest);
        this.#held[index] = { batch: rest, bytes: restBytes };
        this.#setBytes(this.#bytes - bytes + restBytes);
        this.#metrics.dropped.inc({ kind }, rows.length);
      }
    }
    if (this.#bytes > this.#options.maxBytes / 2)
      this.#held = this.#held.filter(({ batch }) => Object.values(batch).some((rows) => rows.length > 0));
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
        await this.#options.write(next.batch);
      } catch (thrown) {
        const error: SmEdgeError = toSmEdgeError(thrown, 'STORE_WRITE');
        if (error.retryable) throw error;
        this.#count(next.batch);
      }
      // While it was written it may have been thinned out to make room; it is the oldest still.
      const [oldest] = this.#held;
      this.#held.shift();
      this.#setBytes(this.#bytes - (oldest?.bytes ?? 0));
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
