import type { Clock } from '../base/clock.js';
import type { SourceState, SourceStatus } from './part.js';

/** Keeps the status of one source and reports each change once. */
export class StatusKeeper {
  readonly #clock: Clock;
  readonly #onStatus: (status: SourceStatus) => void;
  #status: SourceStatus;

  constructor(clock: Clock, onStatus: (status: SourceStatus) => void) {
    this.#clock = clock;
    this.#onStatus = onStatus;
    this.#status = { state: 'starting', reason: '', sinceMs: clock.nowMs() };
  }

  get status(): SourceStatus {
    return this.#status;
  }

  set(state: SourceState, reason = ''): void {
    if (state === this.#status.state && reason === this.#status.reason) return;
    const sinceMs = state === this.#status.state ? this.#status.sinceMs : this.#clock.nowMs();
    this.#status = { state, reason, sinceMs };
    this.#onStatus(this.#status);
  }
}
