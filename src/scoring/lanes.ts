import type { Clock } from '../base/clock.js';
import { type ErrorRecord, fromErrorRecord, SmEdgeError } from '../base/errors.js';
import { SharedLane } from '../base/shared-lane.js';
import { LANE, LANE_COUNT, LANE_VALUES, readError } from './lane-protocol.js';

/** The lanes to one worker; they end with it. */
export class ScoringLanes {
  readonly #lanes = Array.from({ length: LANE_COUNT }, () => SharedLane.create(LANE_VALUES));
  readonly #free = [...this.#lanes];
  #fault: SmEdgeError | undefined;

  get buffers(): SharedArrayBuffer[] {
    return this.#lanes.map(({ buffer }) => buffer);
  }

  /** A lane that nobody uses; undefined where there is none, or none is large enough. Give it back by `run`. */
  take(values: number): SharedLane | undefined {
    return values > LANE_VALUES ? undefined : this.#free.pop();
  }

  giveBack(lane: SharedLane): void {
    this.#free.push(lane);
  }

  /**
   * Runs the rows that were written into the lane.
   * @param onTimeout ends the worker: this rejects then with what `end` was given
   */
  async run(
    lane: SharedLane,
    batch: { readonly id: number; readonly rows: number },
    deadline: { readonly clock: Clock; readonly timeoutMs: number; onTimeout(): void },
  ): Promise<Float32Array> {
    const { words, values } = lane;
    words[LANE.model] = batch.id;
    words[LANE.count] = batch.rows;
    const timer = deadline.clock.setTimer('scoring batch', deadline.timeoutMs, () => deadline.onTimeout());
    try {
      if (this.#fault === undefined) await lane.ask();
    } finally {
      timer.cancel();
    }
    if (this.#fault !== undefined) throw this.#fault;
    const count = words[LANE.count]!;
    const done = words[LANE.model] === 1;
    const result = done ? values.slice(0, count) : undefined;
    const error = done ? undefined : fromErrorRecord(readError(values, count) as ErrorRecord);
    this.giveBack(lane);
    if (error !== undefined) throw error;
    return result!;
  }

  /** The worker is gone: whoever waits is told so. */
  end(fault: SmEdgeError): void {
    this.#fault ??= fault;
    for (const lane of this.#lanes) lane.close();
  }
}

/** What a batch that missed its deadline is told. */
export const tooLate = (key: string, timeoutMs: number): SmEdgeError =>
  new SmEdgeError('WORKER_TIMEOUT', `${key} did not score a batch within ${timeoutMs} ms`, {
    retryable: true,
  });
