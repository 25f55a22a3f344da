/**
 * Time as an argument. Nothing outside base/ reads the wall clock or sets a timer by itself, so that a replay
 * of a recording gives the same bytes every time and a test never sleeps for a guessed time.
 */

/** A timer that was set; `cancel` is idempotent. */
export interface Timer {
  readonly name: string;
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump; use it for stamps only. */
  nowMs(): number;
  /** Monotonic clock, milliseconds since an arbitrary start. Use it for durations and deadlines. */
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs`. The name appears in diagnostics. */
  setTimer(name: string, delayMs: number, callback: () => void): Timer;
}

/** The real clock of the machine. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(name, delayMs, callback) {
    const handle = setTimeout(callback, Math.max(0, delayMs));
    handle.unref();
    return { name, cancel: () => clearTimeout(handle) };
  },
};

interface PendingTimer extends Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when it is told to: for replay and for tests. */
export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  #order = 0;
  readonly #pending = new Set<PendingTimer>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(name: string, delayMs: number, callback: () => void): Timer {
    const timer: PendingTimer = {
      name,
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancel: () => this.#pending.delete(timer),
    };
    this.#pending.add(timer);
    return timer;
  }

  /** Names of the timers that have not fired. */
  get pendingTimers(): string[] {
    return [...this.#pending].map((timer) => timer.name);
  }

  /** Moves both clocks on and fires what falls due, in order. */
  advance(ms: number): void {
    const targetMs = this.#monotonicMs + ms;
    for (;;) {
      const due = [...this.#pending]
        .filter((timer) => timer.dueMs <= targetMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.#pending.delete(due);
      this.#step(due.dueMs - this.#monotonicMs);
      due.callback();
    }
    this.#step(targetMs - this.#monotonicMs);
  }

  /** Sets the wall clock alone, as an NTP step would. */
  setWallClock(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  #step(ms: number): void {
    this.#monotonicMs += ms;
    this.#nowMs += ms;
  }
}

/** Resolves after `delayMs`, or at once when `signal` is aborted (it never rejects: the caller looks at the signal). */
export function sleep(clock: Clock, name: string, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.setTimer(name, delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
