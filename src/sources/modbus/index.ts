import type { SourcePart } from '../part.js';
import { type ModbusConfig, modbusConfigSchema } from './config.js';
import { ModbusSource } from './source.js';

/** Modbus TCP, RTU and RTU over TCP: a client that polls units. */
export const modbusPart: SourcePart<ModbusConfig> = {
  type: 'modbus',
  configSchema: modbusConfigSchema,
  create: (config, deps) => new ModbusSource(config, deps),
};
