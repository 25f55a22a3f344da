import type { SourcePart } from '../part.js';
import { type SerialConfig, serialConfigSchema } from './config.js';

/** Instruments that send lines of text or binary frames, on a serial port or through a serial device server. */
export const serialPart: SourcePart<SerialConfig> = {
  type: 'serial',
  configSchema: serialConfigSchema,
  async create(config, deps) {
    const { SerialSource } = await import('./source.js');
    return new SerialSource(config, deps);
  },
};
