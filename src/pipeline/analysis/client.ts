import type { Clock } from '../../base/clock.js';
import type { Metrics } from '../../base/metrics.js';
import { WorkerClient } from '../../base/worker-call.js';
import type { Diagnosis } from '../../diagnosis/diagnose.js';
import type { AnalysisSpec, FeatureVector } from '../../features/spec.js';
import type { SampleRing } from '../../signals/ring-buffer.js';
import type { AnalysisRequest } from './worker.js';

export interface AnalysisClientOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Most windows that may wait for the worker; one more is refused with `WORKER_BUSY`. */
  readonly maxPending?: number;
  /** Deadline of one window, milliseconds. */
  readonly timeoutMs?: number;
}

/** Signal analysis in a thread of its own: the main thread only passes windows of rings by reference. */
export class AnalysisClient {
  readonly #worker: WorkerClient;
  readonly #count: (method: string, outcome: string) => void;
  readonly #seconds: (method: string, value: number) => void;
  readonly #clock: Clock;

  constructor({ clock, metrics, maxPending = 64, timeoutMs = 10_000 }: AnalysisClientOptions) {
    const windows = metrics.counter(
      'sm_edge_analysis_windows_total',
      'Windows given to signal analysis, by method and outcome (ok, or the code of the error)',
      ['method', 'outcome'],
    );
    const seconds = metrics.histogram(
      'sm_edge_analysis_seconds',
      'Time from the request to the answer of signal analysis',
      [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      ['method'],
    );
    const crashes = metrics.counter('sm_edge_analysis_crashes_total', 'Ends of the analysis worker by fault');
    this.#clock = clock;
    this.#count = (method, outcome) => windows.inc({ method, outcome });
    this.#seconds = (method, value) => seconds.observe({ method }, value);
    this.#worker = new WorkerClient({
      name: 'analysis',
      url: new URL('./worker.js', import.meta.url),
      clock,
      maxPending,
      timeoutMs,
      maxHeapMiB: 256,
      onCrash: () => crashes.inc(),
    });
  }

  /** Windows that wait for an answer. */
  get pending(): number {
    return this.#worker.pending;
  }

  /** Features of one window. Rejects with `WORKER_BUSY`, `RING_OVERRUN`, `RING_GAP`, `RING_WINDOW` or `WORKER_…`. */
  extract(ring: SampleRing, fromIndex: number, length: number, spec: AnalysisSpec): Promise<FeatureVector> {
    return this.#call('extract', { ring: ring.handle, fromIndex, length, spec });
  }

  /** Diagnosis of one window; rejects as `extract` does. */
  diagnose(ring: SampleRing, fromIndex: number, length: number, spec: AnalysisSpec): Promise<Diagnosis> {
    return this.#call('diagnose', { ring: ring.handle, fromIndex, length, spec });
  }

  /** Ends the worker; windows under way are refused. */
  close(): Promise<void> {
    return this.#worker.close();
  }

  async #call<T>(method: 'extract' | 'diagnose', request: AnalysisRequest): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    try {
      const result = await this.#worker.call<T>(method, request);
      this.#count(method, 'ok');
      this.#seconds(method, (this.#clock.monotonicMs() - startMs) / 1000);
      return result;
    } catch (error) {
      this.#count(method, (error as { code?: string }).code ?? 'INTERNAL');
      throw error;
    }
  }
}
