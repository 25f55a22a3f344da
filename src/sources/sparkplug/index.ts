import type { SourcePart } from '../part.js';
import { type SparkplugConfig, sparkplugConfigSchema } from './config.js';

/** Sparkplug B edge nodes and devices behind an MQTT broker. */
export const sparkplugPart: SourcePart<SparkplugConfig> = {
  type: 'sparkplug',
  configSchema: sparkplugConfigSchema,
  async create(config, deps) {
    const { SparkplugSource } = await import('./source.js');
    return new SparkplugSource(config, deps);
  },
};
