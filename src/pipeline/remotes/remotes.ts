import { toErrorRecord, toSmEdgeError } from '../../base/errors.js';
import type { PartHealth } from '../../base/health.js';
import { type LivePublisher, sparkplugNodePart } from '../../sync/sparkplug/index.js';
import type { GatewaySnapshot } from '../machines/snapshot.js';
import type { SourceMemories } from '../sources/source-memories.js';
import { Upstream, type UpstreamDeps } from './upstream.js';

export interface RemotesDeps extends Omit<UpstreamDeps, 'defaultModel'> {
  readonly memories: SourceMemories;
  readonly snapshot: () => GatewaySnapshot;
}

/** All that this gateway tells of itself: the exchange with MLflow, and what it publishes. */
export class Remotes {
  readonly #deps: RemotesDeps;
  #upstream: Upstream | undefined;
  #publisher: LivePublisher | undefined;
  /** Why the publisher could not start. */
  #fault: PartHealth | undefined;

  private constructor(deps: RemotesDeps) {
    this.#deps = deps;
  }

  static async start(deps: RemotesDeps): Promise<Remotes> {
    const remotes = new Remotes(deps);
    remotes.#upstream = await Upstream.create({ ...deps, defaultModel: await deps.models.defaultModel() });
    await remotes.#upstream?.start();
    await remotes.#startPublisher();
    return remotes;
  }

  async stop(): Promise<void> {
    await this.#publisher?.stop();
    await this.#upstream?.stop();
  }

  health(): PartHealth[] {
    const publisher = this.#fault ?? this.#publisher?.health();
    return [
      ...(this.#upstream === undefined ? [] : [this.#upstream.health()]),
      ...(publisher === undefined ? [] : [publisher]),
    ];
  }

  async #startPublisher(): Promise<void> {
    const { config, clock, random, metrics, memories, snapshot } = this.#deps;
    if (config.sync.sparkplug === undefined) return;
    const logger = this.#deps.logger.child({ part: 'sync sparkplug' });
    const { id: gatewayId, site } = config.gateway;
    const memory = memories.of('sync sparkplug');
    try {
      const deps = { gatewayId, site, clock, random, logger, metrics, memory, view: snapshot };
      this.#publisher = await sparkplugNodePart.create(config.sync.sparkplug, deps);
      await this.#publisher.start();
    } catch (thrown) {
      // A missing certificate is no reason not to watch machines.
      const { message: reason } = toSmEdgeError(thrown);
      this.#fault = { part: 'sync sparkplug', state: 'failed', reason, sinceMs: clock.nowMs() };
      logger.error({ error: toErrorRecord(thrown) }, 'the Sparkplug edge node cannot start');
    }
  }
}
