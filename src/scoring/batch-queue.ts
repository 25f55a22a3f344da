import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import { LANE_COUNT, LANE_VALUES } from './lane-protocol.js';
import { MAX_BATCH_ROWS } from './model-input.js';

/** One call: several that wait together become one batch. */
export interface Job {
  readonly rows: number;
  /** Writes its rows from a place on. */
  pack(out: Float32Array, at: number): void;
  resolve(raw: Float32Array): void;
  reject(error: SmEdgeError): void;
}

/**
 * The calls for one model. Those that come in the same turn of the event loop, or while batches are under way, leave
 * as one batch: one runs while the next is written, and what comes meanwhile waits for both.
 */
export class BatchQueue {
  readonly #key: string;
  readonly #mostRows: number;
  readonly #run: (jobs: readonly Job[]) => Promise<void>;
  #waiting: Job[] = [];
  #waitingRows = 0;
  /** Batches under way. */
  #running = 0;
  #isScheduled = false;

  /**
   * @param width values of a row
   * @param run runs one batch and answers its jobs; what it throws, all of them are told
   */
  constructor(key: string, width: number, run: (jobs: readonly Job[]) => Promise<void>) {
    this.#key = key;
    this.#mostRows = Math.min(MAX_BATCH_ROWS, Math.floor(LANE_VALUES / width));
    this.#run = run;
  }

  /** What the model gives for these rows, in the batch that leaves next. @throws SmEdgeError `WORKER_BUSY` */
  add(rows: number, pack: Job['pack']): Promise<Float32Array> {
    if (rows === 0) return Promise.resolve(new Float32Array(0));
    if (this.#waitingRows > 0 && this.#waitingRows + rows > MAX_BATCH_ROWS)
      return Promise.reject(
        new SmEdgeError('WORKER_BUSY', `${this.#waitingRows} rows already wait for ${this.#key}`, {
          retryable: true,
        }),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, pack, resolve, reject });
      this.#waitingRows += rows;
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      queueMicrotask(() => {
        this.#isScheduled = false;
        this.#dispatch();
      });
    });
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && this.#running < LANE_COUNT) {
      const jobs = this.#takeBatch();
      this.#running++;
      void this.#run(jobs)
        .catch((thrown) => {
          const error = toSmEdgeError(thrown, 'MODEL_RUN');
          for (const job of jobs) job.reject(error);
        })
        .finally(() => {
          this.#running--;
          this.#dispatch();
        });
    }
  }

  /** The calls that wait, as far as one batch takes them: one at least. */
  #takeBatch(): Job[] {
    let rows = 0;
    let count = 0;
    for (const job of this.#waiting) {
      if (count > 0 && rows + job.rows > this.#mostRows) break;
      rows += job.rows;
      count++;
    }
    this.#waitingRows -= rows;
    return this.#waiting.splice(0, count);
  }
}
