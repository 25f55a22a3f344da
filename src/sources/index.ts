import { modbusPart } from './modbus/index.js';
import { mqttPart } from './mqtt/index.js';

/** Every kind of source: one folder and one line here. */
export const sourceParts = [mqttPart, modbusPart] as const;
