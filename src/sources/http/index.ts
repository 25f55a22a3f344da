import type { SourcePart } from '../part.js';
import { type HttpConfig, httpConfigSchema } from './config.js';

/** Readings and waveforms that are posted to the gateway's own HTTP server. */
export const httpPart: SourcePart<HttpConfig> = {
  type: 'http',
  configSchema: httpConfigSchema,
  // A request may hold an hour of signal.
  paced: false,
  async create(config, deps) {
    const { HttpSource } = await import('./source.js');
    return new HttpSource(config, deps);
  },
};
