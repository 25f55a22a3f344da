import type { Clock } from '../base/clock.js';
import { type ErrorRecord, fromErrorRecord, SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import type { WriteBatch } from './rows.js';
import { toWire, type WireBatch, wireBytes } from './wire.js';

interface Waiting {
  readonly batch: WireBatch;
  readonly bytes: number;
  readonly relaxed: boolean;
  resolve(): void;
  reject(error: SmEdgeError): void;
}

export interface CommitQueueOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Writes batches in one commit; gives undefined or the error for each. */
  readonly commit: (batches: readonly WireBatch[]) => Promise<readonly (ErrorRecord | undefined)[]>;
  /** Pause between two commits, milliseconds: what arrives in it shares one fsync, which spares the flash. */
  readonly intervalMs: number;
  /** What nobody waits for may wait this long for company, milliseconds. */
  readonly relaxedMs?: number;
  /** A commit takes no more than this, but one batch at least, and what has grown to this waits for no company. */
  readonly maxCommitBytes?: number;
  readonly maxBatches: number;
  readonly maxBytes: number;
}

/**
 * Group commit: while one commit is under way, what arrives waits and goes into the next one together. A full queue
 * refuses with the retryable `STORE_BUSY`; nothing that was taken in is ever dropped.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #metrics;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** How many of those that wait are waited for. */
  #urgent = 0;
  /** The loop, while there is something to write. */
  #running: Promise<void> | undefined;
  #draining = false;
  #endPause: () => void = () => undefined;
  /** Ends the wait for company, which is not the pause between two commits. */
  #endCompany: () => void = () => undefined;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#metrics = {
      batches: metrics.counter('sm_edge_storage_batches_total', 'Batches taken into the write queue.'),
      commits: metrics.counter('sm_edge_storage_commits_total', 'Commits; each is one fsync.'),
      refused: metrics.counter(
        'sm_edge_storage_refused_total',
        'Batches refused because the write queue was full.',
      ),
      failed: metrics.counter('sm_edge_storage_failed_total', 'Batches that could not be written.', ['code']),
      queued: metrics.gauge('sm_edge_storage_queued_bytes', 'Bytes that wait to be written.'),
      seconds: metrics.histogram(
        'sm_edge_storage_commit_seconds',
        'Duration of a commit.',
        [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      ),
    };
  }

  /** How full the queue is, 0 to 1. */
  get fullness(): number {
    const { maxBatches, maxBytes } = this.#options;
    return Math.max(this.#waiting.length / maxBatches, this.#waitingBytes / maxBytes);
  }

  /**
   * Resolves after the commit that holds the batch.
   * @param relaxed nobody waits for it: it may wait for others to share its commit
   */
  write(written: WriteBatch, relaxed = false): Promise<void> {
    const batch = toWire(written);
    const bytes = wireBytes(batch);
    const { maxBatches, maxBytes } = this.#options;
    const full =
      this.#waiting.length >= maxBatches ||
      (this.#waitingBytes + bytes > maxBytes && this.#waiting.length > 0);
    if (full) {
      this.#metrics.refused.inc();
      return Promise.reject(
        new SmEdgeError('STORE_BUSY', `${this.#waiting.length} batches already wait for the disk`, {
          retryable: true,
          hint: 'the disk is slower than what arrives: look at its health, or take in less',
        }),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, bytes, relaxed, resolve, reject });
      this.#waitingBytes += bytes;
      if (!relaxed) this.#urgent++;
      this.#metrics.batches.inc();
      this.#metrics.queued.set(this.#waitingBytes);
      this.#running ??= this.#run();
      if (!this.#mayWait()) this.#endCompany();
    });
  }

  /** Resolves when nothing waits; from now on no commit waits for company. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#endPause();
    this.#endCompany();
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, commit, intervalMs } = this.#options;
    // What is written in the same turn of the event loop goes into the first commit together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      if (this.#mayWait()) await this.#company();
      const taken = this.#take();
      const startMs = clock.monotonicMs();
      try {
        const results = await commit(taken.map(({ batch }) => batch));
        for (const [index, waiting] of taken.entries()) this.#settle(waiting, results[index]);
      } catch (thrown) {
        const error = toSmEdgeError(thrown, 'STORE_WRITE');
        for (const waiting of taken) this.#settle(waiting, error);
      }
      this.#metrics.commits.inc();
      const tookMs = clock.monotonicMs() - startMs;
      this.#metrics.seconds.observe(tookMs / 1000);
      this.#waitingBytes = this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0);
      this.#metrics.queued.set(this.#waitingBytes);
      if (tookMs < intervalMs && !this.#draining) {
        await new Promise<void>((resolve) => {
          this.#endPause = resolve;
          clock.setTimer('commit interval', intervalMs - tookMs, resolve);
        });
      }
    }
    this.#running = undefined;
  }

  #take(): readonly Waiting[] {
    const { maxCommitBytes = Number.POSITIVE_INFINITY } = this.#options;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count > 0 && bytes > maxCommitBytes) break;
      count++;
    }
    const taken = this.#waiting.splice(0, count);
    for (const { relaxed } of taken) if (!relaxed) this.#urgent--;
    return taken;
  }

  /** Whether nobody waits for what is here, and it is little. */
  #mayWait(): boolean {
    const { relaxedMs = 0, maxCommitBytes = Number.POSITIVE_INFINITY, maxBatches } = this.#options;
    return (
      relaxedMs > 0 &&
      !this.#draining &&
      this.#waitingBytes < maxCommitBytes &&
      this.#waiting.length < maxBatches / 2 &&
      this.#urgent === 0
    );
  }

  async #company(): Promise<void> {
    const { clock, relaxedMs = 0 } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer('wait for company', relaxedMs, () => resolve());
      this.#endCompany = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#endCompany = () => undefined;
  }

  #settle({ resolve, reject }: Waiting, error: ErrorRecord | SmEdgeError | undefined): void {
    if (error === undefined) {
      resolve();
      return;
    }
    this.#metrics.failed.inc({ code: error.code });
    reject(error instanceof SmEdgeError ? error : fromErrorRecord(error));
  }
}
