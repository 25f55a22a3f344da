import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { SmEdgeError } from '../../base/errors.js';
import { SteadyClock } from '../../base/steady-clock.js';
import { systemTimeWatch } from '../../base/time-sync.js';
import { type IngestDoor, isIngestDoor } from '../../sources/http/door.js';
import { type SourceConfig, sourceConfigSchema } from '../../sources/index.js';
import { isPointWriter, type PointWriter, type Source } from '../../sources/part.js';
import { SharedResources } from '../../sources/shared.js';
import type { SourceView } from '../machines/snapshot.js';
import { SupervisedSource, type SupervisorDeps } from './supervised-source.js';

export interface SourceSetDeps extends Omit<SupervisorDeps, 'clock' | 'shared'> {
  readonly clock: Clock;
}

/** Id of the http source that stands in no config. */
const IMPLICIT_HTTP = 'http-ingest';

/** The running sources. One source's fault, at its start too, touches no other. */
export class SourceSet {
  readonly #deps: SupervisorDeps;
  readonly #running = new Map<string, SupervisedSource>();
  /** The start of the http source that stands in no config. */
  #implicit: Promise<void> | undefined;

  constructor(deps: SourceSetDeps) {
    const { logger, metrics } = deps;
    const clock = new SteadyClock(deps.clock, systemTimeWatch(deps.clock));
    const jumps = metrics.counter(
      'sm_edge_clock_jumps_total',
      'Steps of the wall clock by more than a second.',
    );
    clock.onJump((byMs) => {
      jumps.inc();
      logger.warn({ byMs: Math.round(byMs) }, 'the wall clock was set; readings keep their order');
    });
    this.#deps = {
      ...deps,
      memoryOf: (id) => deps.memoryOf(id),
      onChange: (...change) => deps.onChange(...change),
      clock,
      shared: new SharedResources(),
    };
  }

  /** Starts what is new, stops what is gone, restarts what changed; leaves the rest alone. */
  async apply(configs: readonly SourceConfig[]): Promise<void> {
    const wanted = new Map(configs.map((config) => [config.id, { config, hash: hashOf(config) }]));
    const declared = configs.some(({ type }) => type === 'http');
    const leaving = [...this.#running].filter(
      ([id, { hash }]) => wanted.get(id)?.hash !== hash && (id !== IMPLICIT_HTTP || declared),
    );
    await Promise.all(leaving.map(([id]) => this.#stop(id)));
    const coming = [...wanted.values()].filter(({ config }) => !this.#running.has(config.id));
    await Promise.all(coming.map(({ config, hash }) => this.#start(config, hash)));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.#stop(id)));
  }

  /** The source that has the point and can write. */
  writerOf(point: string): PointWriter | undefined {
    for (const { source } of this.#running.values())
      if (isPointWriter(source) && source.hasPoint(point)) return source;
    return undefined;
  }

  get(id: string): Source | undefined {
    return this.#running.get(id)?.source;
  }

  /**
   * Where posted data goes in: the source of type http, or one with the defaults, which is begun now.
   * @throws SmEdgeError `INGEST_CLOSED` while it is not running
   */
  async ingestDoor(): Promise<IngestDoor> {
    const declared = () => [...this.#running.values()].find(({ config }) => config.type === 'http');
    if (declared() === undefined) {
      const config = sourceConfigSchema.parse({ id: IMPLICIT_HTTP, type: 'http' });
      this.#implicit = this.#start(config, hashOf(config));
    }
    await this.#implicit;
    const source = declared()?.source;
    if (isIngestDoor(source)) return source;
    throw new SmEdgeError('INGEST_CLOSED', 'the http source is not running', { retryable: true });
  }

  views(): SourceView[] {
    return [...this.#running.values()].map(({ view }) => view);
  }

  async #start(config: SourceConfig, hash: string): Promise<void> {
    const logger = this.#deps.logger.child({ source: config.id });
    const running = new SupervisedSource(config, hash, { ...this.#deps, logger });
    this.#running.set(config.id, running);
    await running.start();
  }

  async #stop(id: string): Promise<void> {
    const running = this.#running.get(id);
    this.#running.delete(id);
    await running?.stop();
  }
}

const hashOf = (config: SourceConfig): string =>
  createHash('sha256').update(JSON.stringify(config)).digest('hex');
