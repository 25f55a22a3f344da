import { type Clock, sleep } from '../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import type { Outbox, OutboxLane, OutboxRow } from '../storage/outbox.js';
import type { SyncStall } from './part.js';

/** What a sender reports of the rows that it was given. What it reports on neither way waits in the outbox. */
export interface Receipt {
  /** The remote has these: they leave the outbox. */
  confirm(rows: readonly OutboxRow[]): Promise<void>;
  /** The remote refuses this one although the link is good: it is put off, and the others go on. */
  refuse(row: OutboxRow, error: SmEdgeError): Promise<void>;
}

export interface Sender {
  /** Sends rows, in order. Throws where the link or the whole remote fails. */
  send(rows: readonly OutboxRow[], receipt: Receipt): Promise<void>;
}

export interface SyncLoopOptions {
  /** Name of the remote, as the outbox and the metrics know it. */
  readonly sink: string;
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Between two transmissions while all is well, milliseconds. */
  readonly intervalMs: number;
  /** Between two attempts while the remote is away. */
  readonly retry: RetrySchedule;
  /** Rows per `send`. */
  readonly batchRows: number;
  /** After this time without a confirmation, while rows wait, `onStalled` is called, milliseconds. */
  readonly stalledAfterMs: number;
  readonly onStalled: (stall: SyncStall) => void;
}

/** Live batches after which a batch of the backlog gets its turn, so that a busy gateway catches up too. */
const LIVE_BATCHES_PER_BACKLOG_BATCH = 8;
/** A row that the remote refuses as it is: kept for a person to look at, tried again rarely. */
const REFUSED_RETRY_MS = 6 * 3_600_000;

/**
 * Empties the outbox of one remote: the live lane first, the backlog behind it, and on failure with growing pauses.
 * Its caller never waits for it and it never drops a row.
 */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  #stopped = false;
  #woken = false;
  #pause = new AbortController();
  #running: Promise<void> | undefined;
  #failures = 0;
  #lastError: SmEdgeError | undefined;
  #sinceMs: number;
  /** On the monotonic clock: since when it fails without a single confirmation. */
  #fruitlessSince: number | undefined;
  #stallReported = false;
  #lastSuccessMs: number | undefined;
  #pending = { live: 0, backlog: 0 };
  #hasRun = false;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.nowMs();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends after the request under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pause.abort();
    await this.#running;
  }

  /** Transmits at once instead of at the end of the pause. */
  wake(): void {
    this.#woken = true;
    this.#pause.abort();
  }

  /** The error of the last attempt; undefined while the remote takes what it is sent. */
  get error(): SmEdgeError | undefined {
    return this.#lastError;
  }

  /** Since when it is as `error` says, milliseconds since the Unix epoch. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Whether an attempt has ended, well or not. */
  get hasRun(): boolean {
    return this.#hasRun;
  }

  get lastSuccessMs(): number | undefined {
    return this.#lastSuccessMs;
  }

  /** Rows that waited at the last look. */
  get pending(): { readonly live: number; readonly backlog: number } {
    return this.#pending;
  }

  async #run(): Promise<void> {
    const { clock, sink } = this.#options;
    while (!this.#stopped) {
      this.#woken = false;
      const pauseMs = (await this.#drainOnce()) ? this.#regularPauseMs() : this.#retryPauseMs();
      if (this.#stopped || this.#woken) continue;
      this.#pause = new AbortController();
      await sleep(clock, `${sink} sync`, pauseMs, this.#pause.signal);
    }
  }

  /** True where everything that was due went through. */
  async #drainOnce(): Promise<boolean> {
    try {
      await this.#drain();
      if (!this.#stopped) this.#succeeded();
      return true;
    } catch (thrown) {
      if (!this.#stopped) await this.#failed(toSmEdgeError(thrown));
      return false;
    } finally {
      this.#hasRun = true;
      await this.#look();
    }
  }

  async #drain(): Promise<void> {
    for (let liveBatches = 0; !this.#stopped; ) {
      const live = liveBatches < LIVE_BATCHES_PER_BACKLOG_BATCH ? await this.#sendBatch('live') : 0;
      if (live > 0) {
        liveBatches++;
        continue;
      }
      liveBatches = 0;
      const backlog = await this.#sendBatch('backlog');
      if (backlog === 0 && (await this.#sendBatch('live')) === 0) return;
    }
  }

  async #sendBatch(lane: OutboxLane): Promise<number> {
    const { sink, outbox, sender, batchRows, clock } = this.#options;
    const rows = await outbox.take(sink, clock.nowMs(), batchRows, lane);
    if (rows.length === 0) return 0;
    const open = new Set(rows.map((row) => row.id));
    await sender.send(rows, {
      confirm: async (confirmed) => {
        await this.#confirm(confirmed);
        for (const row of confirmed) open.delete(row.id);
      },
      refuse: async (row, error) => {
        await this.#refuse(row, error);
        open.delete(row.id);
      },
    });
    // Without this check a forgotten row would be taken again at once, for ever.
    if (open.size > 0) throw new SmEdgeError('INTERNAL', `the ${sink} sender forgot ${open.size} rows`);
    return rows.length;
  }

  async #confirm(rows: readonly OutboxRow[]): Promise<void> {
    await this.#options.outbox.done(rows.map((row) => row.id));
    this.#count('sent', 'rows that the remote confirmed', rows.length);
    this.#lastSuccessMs = this.#options.clock.nowMs();
    if (this.#fruitlessSince !== undefined) this.#fruitlessSince = this.#options.clock.monotonicMs();
  }

  async #refuse(row: OutboxRow, error: SmEdgeError): Promise<void> {
    const { outbox, clock, logger, sink } = this.#options;
    await outbox.failed(row.id, `${error.code}: ${error.message}`, clock.nowMs() + REFUSED_RETRY_MS);
    this.#count('refused', 'rows that the remote refused as they are', 1);
    logger.warn(
      { sink, key: row.key, code: error.code, hint: error.hint, attempts: row.attempts + 1 },
      `${sink} refuses a row: ${error.message}`,
    );
  }

  #succeeded(): void {
    const { clock, logger, sink } = this.#options;
    if (this.#lastError !== undefined) {
      logger.info({ sink, awayMs: clock.nowMs() - this.#sinceMs }, `${sink} takes data again`);
      this.#sinceMs = clock.nowMs();
    }
    this.#failures = 0;
    this.#lastError = undefined;
    this.#fruitlessSince = undefined;
    this.#stallReported = false;
  }

  async #failed(error: SmEdgeError): Promise<void> {
    const { clock, logger, sink, outbox } = this.#options;
    const isNew = this.#lastError?.code !== error.code;
    if (this.#lastError === undefined) this.#sinceMs = clock.nowMs();
    this.#lastError = error;
    this.#fruitlessSince ??= clock.monotonicMs();
    this.#failures++;
    this.#count('failures', 'attempts that failed', 1);
    // Said once per kind of failure, not at every attempt of a night without a network.
    const record = { sink, code: error.code, hint: error.hint, ...error.details };
    if (isNew) logger.warn(record, `${sink} takes no data: ${error.message}`);
    else logger.debug(record, error.message);
    try {
      await outbox.toBacklog(sink);
    } catch (thrown) {
      // The order suffers, not the data.
      logger.debug({ sink, err: toSmEdgeError(thrown).message }, 'rows stay in the live lane');
    }
  }

  async #look(): Promise<void> {
    const { outbox, sink, metrics, clock, stalledAfterMs, onStalled } = this.#options;
    try {
      const stats = (await outbox.stats()).find((entry) => entry.sink === sink);
      this.#pending = { live: stats?.live ?? 0, backlog: stats?.backlog ?? 0 };
    } catch {
      return; // The store says by itself that it is ill; the last figures stand.
    }
    const pendingRows = this.#pending.live + this.#pending.backlog;
    metrics
      .gauge('sm_edge_sync_pending_rows', 'rows that wait for the remote', ['sink'])
      .set({ sink }, pendingRows);
    if (this.#lastError === undefined || this.#fruitlessSince === undefined || this.#stallReported) return;
    const fruitlessMs = clock.monotonicMs() - this.#fruitlessSince;
    if (pendingRows === 0 || fruitlessMs < stalledAfterMs) return;
    this.#stallReported = true;
    onStalled({ sinceMs: clock.nowMs() - fruitlessMs, pendingRows, error: this.#lastError });
  }

  /** A tenth of it is random: gateways that were switched on together do not stay together. */
  #regularPauseMs(): number {
    return this.#options.intervalMs * (0.95 + 0.1 * this.#options.random());
  }

  #retryPauseMs(): number {
    const { retry, random } = this.#options;
    const scheduled = retryDelayMs(retry, this.#failures - 1, random) ?? retry.maxMs;
    const asked = this.#lastError?.details.retryAfterMs;
    return Math.max(scheduled, typeof asked === 'number' ? asked : 0);
  }

  #count(what: 'sent' | 'refused' | 'failures', help: string, by: number): void {
    const { metrics, sink } = this.#options;
    metrics.counter(`sm_edge_sync_${what}_total`, help, ['sink']).inc({ sink }, by);
  }
}
