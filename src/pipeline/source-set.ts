import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { withDeadline } from '../base/deadline.js';
import { toErrorRecord, toSmEdgeError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Metrics } from '../base/metrics.js';
import type { Random } from '../base/random.js';
import type { SourceConfig } from '../sources/index.js';
import { createSource } from '../sources/index.js';
import type { SignalBatch, SignalSink, Source, SourceMemory, SourceStatus } from '../sources/part.js';
import { SharedResources } from '../sources/shared.js';
import type { SourceView } from './snapshot.js';

export interface SourceSetDeps {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly sink: SignalSink;
  memoryOf(sourceId: string): SourceMemory;
  /** A source went from good to not good, or back. */
  onChange(id: string, type: string, status: SourceStatus): void;
}

interface Running {
  readonly config: SourceConfig;
  readonly hash: string;
  readonly source: Source;
  readonly counts: { readings: number; blocks: number; samples: number };
}

/** A source that does not stop within this time is left behind, milliseconds. */
const STOP_TIMEOUT_MS = 6_000;

/** The running sources. One source's fault, at its start too, touches no other. */
export class SourceSet {
  readonly #deps: SourceSetDeps;
  readonly #running = new Map<string, Running>();
  readonly #shared = new SharedResources();
  readonly #state;

  constructor(deps: SourceSetDeps) {
    this.#deps = deps;
    this.#state = deps.metrics.gauge('sm_edge_source_good', '1 while the source is good, else 0.', [
      'source',
      'type',
    ]);
  }

  /** Starts what is new, stops what is gone, restarts what changed; leaves the rest alone. */
  async apply(configs: readonly SourceConfig[]): Promise<void> {
    const wanted = new Map(configs.map((config) => [config.id, { config, hash: hashOf(config) }]));
    const leaving = [...this.#running].filter(([id, { hash }]) => wanted.get(id)?.hash !== hash);
    await Promise.all(leaving.map(([id]) => this.#stop(id)));
    const coming = [...wanted.values()].filter(({ config }) => !this.#running.has(config.id));
    await Promise.all(coming.map(({ config, hash }) => this.#start(config, hash)));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.#stop(id)));
  }

  get(id: string): Source | undefined {
    return this.#running.get(id)?.source;
  }

  views(): SourceView[] {
    return [...this.#running.values()].map(({ config, source, counts }) => ({
      id: config.id,
      type: config.type,
      part: `source ${config.id}`,
      ...source.status,
      ...counts,
    }));
  }

  async #start(config: SourceConfig, hash: string): Promise<void> {
    const { id, type } = config;
    const { gatewayId, clock, random, metrics, sink, memoryOf, onChange } = this.#deps;
    const logger = this.#deps.logger.child({ source: id });
    const counts = { readings: 0, blocks: 0, samples: 0 };
    const count = ({ readings = [], blocks = [] }: SignalBatch) => {
      counts.readings += readings.length;
      counts.blocks += blocks.length;
      for (const block of blocks) counts.samples += block.samples.length;
    };
    const source = await createSource(config, {
      gatewayId,
      clock,
      random,
      logger,
      metrics,
      sink: {
        offer(batch) {
          count(batch);
          sink.offer(batch);
        },
        deliver(batch) {
          count(batch);
          return sink.deliver(batch);
        },
      },
      memory: memoryOf(id),
      shared: this.#shared,
      onStatus: (status) => {
        this.#state.set({ source: id, type }, status.state === 'good' ? 1 : 0);
        onChange(id, type, status);
      },
    });
    this.#running.set(id, { config, hash, source, counts });
    this.#state.set({ source: id, type }, 0);
    try {
      await source.start();
    } catch (thrown) {
      const error = toSmEdgeError(thrown, 'SOURCE_START');
      logger.error({ error: toErrorRecord(error) }, 'the source cannot start');
      onChange(id, type, { state: 'failed', reason: error.message, sinceMs: clock.nowMs() });
    }
  }

  async #stop(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    this.#state.remove({ source: id, type: running.config.type });
    try {
      await withDeadline(this.#deps.clock, `stop of source ${id}`, STOP_TIMEOUT_MS, running.source.stop());
    } catch (thrown) {
      this.#deps.logger.warn({ source: id, error: toErrorRecord(thrown) }, 'the source did not stop cleanly');
    }
  }
}

const hashOf = (config: SourceConfig): string =>
  createHash('sha256').update(JSON.stringify(config)).digest('hex');
