import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../base/clock.js';
import { fromErrorRecord, SmEdgeError } from '../../base/errors.js';
import type {
  ChildAnswer,
  ChildRequest,
  FaultRequest,
  FaultResult,
  TrainRequest,
  TrainResult,
} from './train-child.js';

const CHILD = fileURLToPath(new URL('./train-child.js', import.meta.url));
/** 10 s of a desktop core; the slowest board under full load, at the lowest priority, gets this long. */
const TIMEOUT_MS = 2 * 3_600_000;
/** 10,000 rows of 64 features take 60 MiB. */
const HEAP_MIB = 256;

/** Learns in a child process, one point at a time. What was finished before it is stopped is not done again. */
export class Trainer {
  readonly #clock: Clock;
  #child: ChildProcess | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get busy(): boolean {
    return this.#child !== undefined;
  }

  /**
   * @param onProgress share of the work that is done
   * @throws SmEdgeError what learning throws; `TRAINING_STOPPED`, `TRAINING_ENDED` (retryable)
   */
  train(request: TrainRequest, onProgress: (share: number) => void): Promise<TrainResult> {
    return this.#run(request, onProgress);
  }

  /** Learns to name faults; throws as `train` does. */
  nameFaults(request: FaultRequest): Promise<FaultResult> {
    return this.#run(request, () => undefined);
  }

  #run<T>(request: ChildRequest, onProgress: (share: number) => void): Promise<T> {
    if (this.#child !== undefined)
      return Promise.reject(
        new SmEdgeError('TRAINING_BUSY', 'another point is being learned', { retryable: true }),
      );
    return new Promise((resolve, reject) => {
      const child = fork(CHILD, [], {
        execArgv: [`--max-old-space-size=${HEAP_MIB}`],
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      });
      this.#child = child;
      const finish = (settle: () => void) => {
        timer.cancel();
        child.removeAllListeners();
        child.on('error', () => undefined);
        child.kill('SIGKILL');
        this.#child = undefined;
        settle();
      };
      const fail = (code: string, message: string, hint: string) =>
        finish(() => reject(new SmEdgeError(code, message, { hint, retryable: true })));
      const timer = this.#clock.setTimer('training', TIMEOUT_MS, () =>
        fail(
          'TRAINING_ENDED',
          `the training took longer than ${TIMEOUT_MS / 3_600_000} hours`,
          'Is the gateway overloaded?',
        ),
      );
      child.on('message', (answer: ChildAnswer) => {
        if ('progress' in answer) onProgress(answer.progress);
        else if ('result' in answer) finish(() => resolve(answer.result as T));
        else finish(() => reject(fromErrorRecord(answer.error)));
      });
      child.once('error', (cause) =>
        fail('TRAINING_ENDED', `no process to learn in: ${cause.message}`, 'Free some memory.'),
      );
      child.once('exit', (code, signal) =>
        signal === 'SIGTERM'
          ? fail(
              'TRAINING_STOPPED',
              'the training was stopped',
              'It goes on where it was when it is started again.',
            )
          : fail(
              'TRAINING_ENDED',
              `the training process died (${signal ?? `code ${code}`})`,
              'Free some memory.',
            ),
      );
      child.send(request);
    });
  }

  /** Ends the training under way; its caller gets `TRAINING_STOPPED`. */
  stop(): void {
    this.#child?.kill('SIGTERM');
  }
}
