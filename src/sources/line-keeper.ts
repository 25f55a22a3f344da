import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '../base/clock.js';
import { type SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { type RetrySchedule, retryDelayMs } from '../base/retry.js';
import { type LineTarget, lineFault, openLine } from './line.js';

const RECONNECT: RetrySchedule = {
  initialMs: 250,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.5,
  limit: Number.POSITIVE_INFINITY,
};
/** A connection that held this long starts the backoff from the beginning when it is lost. */
const STABLE_AFTER_MS = 10_000;

export interface LineKeeperOptions {
  readonly target: LineTarget;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Longest pause between two attempts, ms; half a minute where it is missing. */
  readonly maxDelayMs?: () => number;
  /** Uses the line until it is over, and tells why; it destroys the stream. */
  serve(stream: Duplex): Promise<SmEdgeError>;
  /** At every failed attempt and every loss; `wasUp` tells a loss. */
  onDown(fault: SmEdgeError, wasUp: boolean): void;
}

/** Keeps one serial port or TCP connection open for ever: opens it, serves it, waits, opens it again. */
export class LineKeeper {
  readonly #options: LineKeeperOptions;
  readonly #stopped = new AbortController();
  #stream: Duplex | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: LineKeeperOptions) {
    this.#options = options;
  }

  get isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Closes the line for good. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#stream?.destroy();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, random, serve, onDown, target, maxDelayMs } = this.#options;
    const { signal } = this.#stopped;
    for (let attempt = 0; !signal.aborted; attempt++) {
      let openedAtMs: number | undefined;
      let fault: SmEdgeError;
      try {
        const stream = await this.#open();
        openedAtMs = clock.monotonicMs();
        this.#stream = stream;
        fault = await serve(stream);
      } catch (thrown) {
        fault = toSmEdgeError(thrown);
      }
      this.#stream = undefined;
      if (signal.aborted) return;
      onDown(lineFault(fault, target), openedAtMs !== undefined);
      if (openedAtMs !== undefined && clock.monotonicMs() - openedAtMs >= STABLE_AFTER_MS) attempt = 0;
      const delayMs = Math.min(retryDelayMs(RECONNECT, attempt, random)!, maxDelayMs?.() ?? RECONNECT.maxMs);
      await sleep(clock, 'line reconnect', delayMs, signal);
    }
  }

  async #open(): Promise<Duplex> {
    const { target, connectTimeoutMs, clock } = this.#options;
    const { signal } = this.#stopped;
    const deadline = new AbortController();
    const abort = () => deadline.abort();
    const timer = clock.setTimer('line connect', connectTimeoutMs, abort);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await openLine(target, deadline.signal);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', abort);
    }
  }
}
