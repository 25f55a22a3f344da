import { SmEdgeError } from '../../base/errors.js';
import { idGenerator, type NewId } from '../../base/ids.js';
import { pointMatcher } from '../../signals/point-pattern.js';
import type { SignalBatch, Source, SourceDeps, SourceStatus } from '../part.js';
import { StatusKeeper } from '../status.js';
import type { HttpConfig } from './config.js';
import { invalidDocument, readDocument } from './document.js';
import type { IngestDoor, IngestReceipt, IngestResult } from './door.js';
import { Idempotency } from './idempotency.js';

/** What is posted over HTTP: checked whole, stored, and only then acknowledged. */
export class HttpSource implements Source, IngestDoor {
  readonly #config: HttpConfig;
  readonly #deps: SourceDeps;
  readonly #status: StatusKeeper;
  readonly #idempotency: Idempotency<IngestReceipt>;
  readonly #newId: NewId;
  readonly #allowed: readonly ((point: string) => boolean)[];
  readonly #units = new Map<string, string>();
  readonly #arrivals = new Map<string, number>();
  readonly #requests;
  #open = false;

  constructor(config: HttpConfig, deps: SourceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#status = new StatusKeeper(deps.clock, deps.onStatus);
    this.#idempotency = new Idempotency(deps.clock, deps.memory);
    this.#newId = idGenerator(deps.clock, deps.random);
    this.#allowed = config.points.map(pointMatcher);
    const requests = deps.metrics.counter(
      'sm_edge_http_ingest_requests_total',
      'Posted batches: stored, repeated (same key), invalid, refused by the store.',
      ['source', 'outcome'],
    );
    this.#requests = (outcome: string) => requests.inc({ source: config.id, outcome });
  }

  get status(): SourceStatus {
    return this.#status.status;
  }

  async start(): Promise<void> {
    this.#open = true;
    this.#status.set('good');
  }

  async stop(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#idempotency.flush();
    this.#status.set('stopped');
  }

  async ingest(document: unknown, key: string | undefined): Promise<IngestResult> {
    if (!this.#open)
      throw new SmEdgeError('INGEST_CLOSED', 'the gateway takes nothing in just now', { retryable: true });
    try {
      const work = () => this.#store(document);
      const { result, repeated } =
        key === undefined
          ? { result: await work(), repeated: false }
          : await this.#idempotency.once(key, document, work);
      this.#requests(repeated ? 'repeated' : 'stored');
      return { ...result, repeated };
    } catch (thrown) {
      this.#requests(thrown instanceof SmEdgeError && !thrown.retryable ? 'invalid' : 'refused');
      throw thrown;
    }
  }

  async #store(document: unknown): Promise<IngestReceipt> {
    const { clock, sink } = this.#deps;
    const batch = readDocument(document, {
      arrivalMs: clock.nowMs(),
      arrivalOf: (point) => this.#arrivalOf(point),
      unitOf: (point) => this.#units.get(point),
    });
    this.#limit(batch);
    try {
      await sink.deliver(batch);
    } catch (thrown) {
      this.#status.set('degraded', `the store does not take what is posted: ${(thrown as Error).message}`);
      throw thrown;
    }
    this.#status.set('good');
    for (const { point, unit } of batch.readings) this.#units.set(point, unit);
    for (const { point, unit } of batch.blocks) this.#units.set(point, unit);
    return { id: this.#newId(), readings: batch.readings.length, waveforms: batch.blocks.length };
  }

  /** The store keeps one reading of a point for each microsecond. */
  #arrivalOf(point: string): number {
    const nowMs = this.#deps.clock.nowMs();
    const stampMs = Math.max(nowMs, (this.#arrivals.get(point) ?? 0) + 0.001);
    if (this.#arrivals.size < this.#config.maxPoints || this.#arrivals.has(point))
      this.#arrivals.set(point, stampMs);
    return stampMs;
  }

  #limit({ readings, blocks }: Required<SignalBatch>): void {
    const { maxReadings, maxSamples, maxPoints } = this.#config;
    const fault = (path: string, detail: string) => invalidDocument([{ path, detail }]);
    if (readings.length > maxReadings)
      throw fault('readings', `${readings.length} readings, where ${maxReadings} are the limit`);
    const samples = blocks.reduce((sum, block) => sum + block.samples.length, 0);
    if (samples > maxSamples)
      throw fault('waveforms', `${samples} samples, where ${maxSamples} are the limit`);
    const points = new Set([...readings, ...blocks].map(({ point }) => point));
    for (const point of points) {
      if (!this.#allowed.some((matches) => matches(point)))
        throw fault(point, 'this point may not be written over HTTP: see `points` of the http source');
    }
    const unknown = [...points].filter((point) => !this.#units.has(point));
    if (this.#units.size + unknown.length > maxPoints)
      throw fault(unknown[0]!, `more than ${maxPoints} different points: see maxPoints of the http source`);
  }
}
