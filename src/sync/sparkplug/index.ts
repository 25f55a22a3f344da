import type { PartHealth } from '../../base/health.js';
import { type SparkplugNodeConfig, sparkplugNodeConfigSchema } from './config.js';
import type { PublisherDeps } from './publisher.js';

/** A remote to which the newest values are published as they change; what is stored goes another way. */
export interface LivePublisher {
  start(): Promise<void>;
  stop(): Promise<void>;
  health(): PartHealth;
}

/** This gateway as a Sparkplug B edge node. */
export const sparkplugNodePart = {
  type: 'sparkplug',
  configSchema: sparkplugNodeConfigSchema,
  /** Loads the code only now: a gateway without it needs no Sparkplug in memory. */
  async create(config: SparkplugNodeConfig, deps: PublisherDeps): Promise<LivePublisher> {
    const { SparkplugPublisher } = await import('./publisher.js');
    return new SparkplugPublisher(config, deps);
  },
} as const;
