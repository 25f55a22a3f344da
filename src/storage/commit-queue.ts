import type { Clock } from '../base/clock.js';
import { type ErrorRecord, fromErrorRecord, SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';
import { inTurns, nextTurn, TURN_MS } from '../base/turns.js';
import type { WriteBatch } from './rows.js';
import { batchBytes, packBatch, type WireBatch, wireBytes } from './wire/wire.js';
import { writeError } from './write-error.js';

interface Waiting {
  readonly batch: WriteBatch;
  bytes: number;
  readonly relaxed: boolean;
  resolve(): void;
  reject(error: SmEdgeError): void;
}

/** What crosses as one: a batch, or several small ones of readings alone. */
interface Packed {
  readonly wire: WireBatch;
  readonly bytes: number;
  readonly members: readonly Waiting[];
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
  /** A commit takes no more batches than this (several of readings alone count as one): each costs the main thread some microseconds. */
  readonly maxCommitBatches?: number;
  readonly maxBatches: number;
  readonly maxBytes: number;
}

/** Readings of small batches that are packed together. */
const MERGED_READINGS = 2_000;

/**
 * Group commit: while one commit is under way, what arrives waits and goes into the next one together. A full queue
 * refuses with the retryable `STORE_BUSY`; nothing that was taken in is ever dropped. What waits is packed for the
 * storage thread in the order in which it came, a millisecond in each turn of the event loop.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #metrics;
  /** What is still to be packed, and behind that what may be committed, both in the order in which they came. */
  #waiting: Waiting[] = [];
  #packed: Packed[] = [];
  /** Of both. */
  #batches = 0;
  #waitingBytes = 0;
  /** How many of those that wait are waited for. */
  #urgent = 0;
  /** The loop, while there is something to write. */
  #running: Promise<void> | undefined;
  #packing: Promise<void> | undefined;
  #onPacked: () => void = () => undefined;
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
    return Math.max(this.#batches / maxBatches, this.#waitingBytes / maxBytes);
  }

  /**
   * Resolves after the commit that holds the batch.
   * @param relaxed nobody waits for it: it may wait for others to share its commit
   */
  write(batch: WriteBatch, relaxed = false): Promise<void> {
    const bytes = batchBytes(batch);
    const { maxBatches, maxBytes } = this.#options;
    const full = this.#batches >= maxBatches || (this.#waitingBytes + bytes > maxBytes && this.#batches > 0);
    if (full) {
      this.#metrics.refused.inc();
      return Promise.reject(
        new SmEdgeError('STORE_BUSY', `${this.#batches} batches already wait for the disk`, {
          retryable: true,
          hint: 'the disk is slower than what arrives: look at its health, or take in less',
        }),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, bytes, relaxed, resolve, reject });
      this.#batches++;
      this.#waitingBytes += bytes;
      if (!relaxed) this.#urgent++;
      this.#metrics.batches.inc();
      this.#metrics.queued.set(this.#waitingBytes);
      this.#packing ??= this.#pack();
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
    while (this.#batches > 0) {
      if (this.#mayWait()) await this.#company();
      if (this.#packed.length === 0 && this.#packing !== undefined) {
        await new Promise<void>((resolve) => {
          this.#onPacked = resolve;
        });
        continue;
      }
      const taken = this.#take();
      const startMs = clock.monotonicMs();
      try {
        const results = await commit(taken.map(({ wire }) => wire));
        for (const [index, { members }] of taken.entries())
          for (const waiting of members) this.#settle(waiting, results[index]);
      } catch (thrown) {
        const error = toSmEdgeError(thrown, 'STORE_WRITE');
        for (const { members } of taken) for (const waiting of members) this.#settle(waiting, error);
      }
      this.#metrics.commits.inc();
      const tookMs = clock.monotonicMs() - startMs;
      this.#metrics.seconds.observe(tookMs / 1000);
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

  /** Packs what waits; what can never be packed is refused. */
  async #pack(): Promise<void> {
    // What is written in the same turn is packed together.
    await Promise.resolve();
    const { clock } = this.#options;
    /** So many are packed by themselves, since one of them is wrong. */
    let alone = 0;
    for (let startMs = clock.monotonicMs(); this.#waiting.length > 0; alone = Math.max(0, alone - 1)) {
      const members = alone > 0 ? this.#waiting.slice(0, 1) : this.#mergeable();
      try {
        await this.#packTogether(members);
      } catch (thrown) {
        if (members.length > 1) {
          alone = members.length + 1;
          continue;
        }
        this.#waiting.shift();
        this.#left(members[0]!);
        this.#settle(members[0]!, writeError(thrown));
      }
      if (clock.monotonicMs() - startMs < TURN_MS) continue;
      this.#onPacked();
      await nextTurn();
      startMs = clock.monotonicMs();
    }
    this.#packing = undefined;
    this.#onPacked();
  }

  async #packTogether(members: readonly Waiting[]): Promise<void> {
    const [first] = members;
    const batch =
      members.length === 1
        ? first!.batch
        : { readings: members.flatMap(({ batch: { readings = [] } }) => readings) };
    const wire = await inTurns(this.#options.clock, packBatch(batch));
    const bytes = wireBytes(wire);
    for (const [index, waiting] of members.entries()) {
      this.#waitingBytes -= waiting.bytes;
      waiting.bytes = index === 0 ? bytes : 0;
      this.#waitingBytes += waiting.bytes;
    }
    this.#waiting.splice(0, members.length);
    this.#packed.push({ wire, bytes, members });
  }

  /** The next batch, with those behind it where they are readings alone, and few: each crossing has its price. */
  #mergeable(): Waiting[] {
    const members: Waiting[] = [];
    let rows = 0;
    for (const waiting of this.#waiting) {
      const { readings = [] } = waiting.batch;
      rows += readings.length;
      const isAlone =
        Object.keys(waiting.batch).length > 1 || readings.length === 0 || rows > MERGED_READINGS;
      if (isAlone && members.length > 0) break;
      members.push(waiting);
      if (isAlone) break;
    }
    return members;
  }

  #take(): readonly Packed[] {
    const { maxCommitBytes = Number.POSITIVE_INFINITY, maxCommitBatches = Number.POSITIVE_INFINITY } =
      this.#options;
    let size = 0;
    let count = 0;
    for (const { bytes } of this.#packed) {
      size += bytes;
      if (count > 0 && (size > maxCommitBytes || count >= maxCommitBatches)) break;
      count++;
    }
    const taken = this.#packed.splice(0, count);
    for (const { members } of taken) for (const waiting of members) this.#left(waiting);
    return taken;
  }

  #left({ bytes, relaxed }: Waiting): void {
    this.#batches--;
    this.#waitingBytes -= bytes;
    if (!relaxed) this.#urgent--;
  }

  /** Whether nobody waits for what is here, and it is little. */
  #mayWait(): boolean {
    const { relaxedMs = 0, maxCommitBytes = Number.POSITIVE_INFINITY, maxBatches } = this.#options;
    return (
      relaxedMs > 0 &&
      !this.#draining &&
      this.#waitingBytes < maxCommitBytes &&
      this.#batches < maxBatches / 2 &&
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
