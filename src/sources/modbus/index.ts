import type { SourcePart } from '../part.js';
import { type ModbusConfig, modbusConfigSchema } from './config.js';

/** Modbus TCP, RTU and RTU over TCP: a client that polls units. */
export const modbusPart: SourcePart<ModbusConfig> = {
  type: 'modbus',
  configSchema: modbusConfigSchema,
  async create(config, deps) {
    const { ModbusSource } = await import('./source.js');
    return new ModbusSource(config, deps);
  },
};
