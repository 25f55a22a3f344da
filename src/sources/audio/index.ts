import type { SourcePart } from '../part.js';
import { type AudioConfig, audioConfigSchema } from './config.js';

/** Microphones at a sound card or on USB. */
export const audioPart: SourcePart<AudioConfig> = {
  type: 'audio',
  configSchema: audioConfigSchema,
  async create(config, deps) {
    const { AudioSource } = await import('./source.js');
    return new AudioSource(config, deps);
  },
};
