import { setFlagsFromString } from 'node:v8';
import { type MessagePort, parentPort, Worker } from 'node:worker_threads';
import type { Clock } from './clock.js';
import { type ErrorRecord, fromErrorRecord, SmEdgeError, toErrorRecord } from './errors.js';

/**
 * Calls to a worker thread as plain promises. A worker file only receives, calls a function and answers:
 *
 *     serveWorker(parentPort, { extract: (request: ExtractRequest) => extractor.extract(request) });
 *
 * The caller bounds the number of calls in flight, gives each a deadline, and starts a new worker when one dies.
 */

interface Request {
  readonly call: number;
  readonly method: string;
  readonly argument: unknown;
}

type Answer =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: ErrorRecord };

/** The method by which a worker is asked to end. */
const END = '$end';
/** Room for short-lived objects in a worker. V8's own choice, 48 MiB, is a gateway's memory for a few microseconds. */
const YOUNG_GENERATION_MIB = 3;
/** Abandoned native workers that may be left before no new one is started. */
const MAX_ABANDONED = 2;

/** An answer whose buffers change hands: the caller gets them without a copy, and the worker has them no more. */
export class Moved<T> {
  readonly value: T;
  readonly buffers: readonly ArrayBuffer[];

  constructor(value: T, buffers: readonly ArrayBuffer[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

export type WorkerHandlers = Readonly<Record<string, (argument: never) => unknown>>;

/** The worker's side: answers each call with what the handler returns or throws. */
export function serveWorker(handlers: WorkerHandlers, port: MessagePort | null = parentPort): void {
  if (port === null) throw new SmEdgeError('INTERNAL', 'serveWorker called outside a worker thread');
  port.on('message', async ({ call, method, argument }: Request) => {
    // Without its port the thread has nothing to wait for: it ends once what it is doing is done.
    if (method === END) return port.close();
    try {
      const handler = handlers[method] as ((argument: unknown) => unknown) | undefined;
      if (handler === undefined) throw new SmEdgeError('INTERNAL', `worker has no method ${method}`);
      const value = await handler(argument);
      if (value instanceof Moved)
        port.postMessage({ call, value: value.value } satisfies Answer, value.buffers);
      else port.postMessage({ call, value } satisfies Answer);
    } catch (thrown) {
      port.postMessage({ call, error: toErrorRecord(thrown) } satisfies Answer);
    }
  });
}

export interface WorkerClientOptions {
  /** For messages and metrics: `dsp`, `scoring`, `storage`. */
  readonly name: string;
  readonly url: URL;
  readonly clock: Clock;
  readonly workerData?: unknown;
  /** Most calls that may wait for an answer; one more is refused with `WORKER_BUSY` (retryable). */
  readonly maxPending: number;
  /** Deadline of one call, milliseconds. A worker that misses it is ended and started again. */
  readonly timeoutMs: number;
  /**
   * The worker calls into a native library that must not be torn down in the middle: onnxruntime-node throws through
   * C++ when its thread is terminated during a run, which aborts the whole process. Such a worker is never terminated
   * but asked to end; one that missed its deadline is abandoned, and ends when its call returns.
   */
  readonly native?: boolean;
  /** Heap limit of the worker, MiB, so that a runaway worker ends alone. */
  readonly maxHeapMiB?: number;
  /** Called after an unexpected end; the next call starts a new worker. */
  readonly onCrash?: (error: SmEdgeError) => void;
}

interface Pending {
  resolve(value: never): void;
  reject(error: SmEdgeError): void;
  cancelTimer(): void;
}

export class WorkerClient {
  readonly #options: WorkerClientOptions;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #nextCall = 1;
  #closed = false;
  readonly #abandoned = new Set<Worker>();

  constructor(options: WorkerClientOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Calls `method` in the worker; starts the worker first where there is none.
   * @param timeoutMs deadline of this call, where it is to have another one than the usual
   */
  call<T>(
    method: string,
    argument: unknown,
    transfer: readonly ArrayBuffer[] = [],
    timeoutMs = this.#options.timeoutMs,
  ): Promise<T> {
    const { name, clock, maxPending } = this.#options;
    if (this.#closed)
      return Promise.reject(new SmEdgeError('WORKER_CLOSED', `the ${name} worker was stopped`));
    if (this.#pending.size >= maxPending) {
      return Promise.reject(
        new SmEdgeError('WORKER_BUSY', `${maxPending} calls already wait for the ${name} worker`, {
          retryable: true,
        }),
      );
    }
    if (this.#worker === undefined && this.#abandoned.size >= MAX_ABANDONED) {
      return Promise.reject(
        new SmEdgeError('WORKER_STUCK', `${this.#abandoned.size} ${name} workers still hang in a call`, {
          retryable: true,
          hint: 'Restart the service: a native call does not return.',
        }),
      );
    }
    const worker = this.#worker ?? this.#start();
    const call = this.#nextCall++;
    return new Promise<T>((resolve, reject) => {
      const timer = clock.setTimer(`${name} worker ${method}`, timeoutMs, () => {
        this.#end(
          worker,
          new SmEdgeError(
            'WORKER_TIMEOUT',
            `the ${name} worker did not answer ${method} within ${timeoutMs} ms`,
            {
              retryable: true,
            },
          ),
        );
      });
      this.#pending.set(call, { resolve, reject, cancelTimer: () => timer.cancel() });
      worker.postMessage({ call, method, argument } satisfies Request, transfer);
    });
  }

  /** Gives the present worker up as one that missed its deadline: for work that was not handed to it by `call`. */
  giveUp(error: SmEdgeError): void {
    if (this.#worker !== undefined) this.#end(this.#worker, error);
  }

  /** Ends the worker; calls under way are refused. Resolves once the thread is gone, so a native one may take its time. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#refuseAll(new SmEdgeError('WORKER_CLOSED', `the ${this.#options.name} worker was stopped`));
    if (worker !== undefined) await this.#stop(worker);
  }

  #start(): Worker {
    // Node 20 aborts the whole process when a worker ends while V8 still optimises a function of it on another
    // thread (`NodePlatform::ForIsolate`, assertion in node_platform.cc). Without concurrent recompilation the worker
    // optimises on its own thread, and there is nothing left to race with. Read by V8 when an isolate is made.
    setFlagsFromString('--no-concurrent-recompilation');
    const { url, workerData, maxHeapMiB, name } = this.#options;
    const worker = new Worker(url, {
      workerData,
      name,
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
        ...(maxHeapMiB === undefined ? {} : { maxOldGenerationSizeMb: maxHeapMiB }),
      },
    });
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (cause) =>
      this.#end(
        worker,
        new SmEdgeError('WORKER_CRASHED', `the ${name} worker ended: ${cause.message}`, {
          retryable: true,
          cause,
        }),
      ),
    );
    worker.on('exit', (code) =>
      this.#end(
        worker,
        new SmEdgeError('WORKER_CRASHED', `the ${name} worker ended with code ${code}`, { retryable: true }),
      ),
    );
    this.#worker = worker;
    return worker;
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.call);
    if (pending === undefined) return;
    this.#pending.delete(answer.call);
    pending.cancelTimer();
    if ('error' in answer) pending.reject(fromErrorRecord(answer.error));
    else pending.resolve(answer.value as never);
  }

  #end(worker: Worker, error: SmEdgeError): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    worker.removeAllListeners('message');
    if (this.#options.native === true && worker.threadId !== -1) {
      this.#abandoned.add(worker);
      worker.unref();
      worker.once('exit', () => this.#abandoned.delete(worker));
    }
    void this.#stop(worker);
    this.#refuseAll(error);
    this.#options.onCrash?.(error);
  }

  #stop(worker: Worker): Promise<unknown> {
    if (this.#options.native !== true) return worker.terminate();
    // A thread that is gone already has this id, and emits no further exit.
    if (worker.threadId === -1) return Promise.resolve();
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage({ call: 0, method: END, argument: undefined } satisfies Request);
    return gone;
  }

  #refuseAll(error: SmEdgeError): void {
    for (const pending of this.#pending.values()) {
      pending.cancelTimer();
      pending.reject(error);
    }
    this.#pending.clear();
  }
}
