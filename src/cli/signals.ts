import { MessageChannel } from 'node:worker_threads';
import { type Clock, sleep } from '../base/clock.js';

/** Waiting for SIGINT, SIGTERM or the end of a stated time. */
export interface StopSignal {
  readonly stopped: boolean;
  /** Resolves after `ms`, or at once when it is time to stop. */
  wait(ms: number): Promise<void>;
  /** Resolves when it is time to stop. */
  readonly done: Promise<void>;
  /** Takes the handlers away again. */
  dispose(): void;
}

export function untilSignal(clock: Clock, durationMs?: number): StopSignal {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const timer = durationMs === undefined ? undefined : clock.setTimer('stated duration', durationMs, stop);
  // The clock's timers do not keep the process alive; a daemon without a busy source has to stay.
  const { port1, port2 } = new MessageChannel();
  port1.on('message', () => {});
  const done = new Promise<void>((resolve) =>
    controller.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  return {
    get stopped() {
      return controller.signal.aborted;
    },
    wait: (ms) => sleep(clock, 'wait for a signal', ms, controller.signal),
    done,
    dispose() {
      timer?.cancel();
      port1.close();
      port2.close();
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}
