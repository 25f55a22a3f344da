import type { RegisterVerb } from './context.js';
import { register as modbus } from './scan-modbus.js';
import { register as mqtt } from './scan-mqtt.js';
import { register as serial } from './scan-serial.js';

/** What can be looked for; each adds its own subcommand. */
const KINDS: readonly RegisterVerb[] = [modbus, serial, mqtt];

/** `sm-edge scan`: what is out there. */
export const register: RegisterVerb = (program, context, exit) => {
  const scan = program.command('scan').description('what is out there: devices on lines, hosts and brokers');
  for (const kind of KINDS) kind(scan, context, exit);
};
