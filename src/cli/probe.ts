import type { RegisterVerb } from './context.js';
import { register as modbus } from './probe-modbus.js';
import { register as mqtt } from './probe-mqtt.js';
import { register as serial } from './probe-serial.js';

/** What can be looked at; each adds its own subcommand. */
const KINDS: readonly RegisterVerb[] = [modbus, serial, mqtt];

/** `sm-edge probe`: one device, one register, one topic, read in every way. */
export const register: RegisterVerb = (program, context, exit) => {
  const probe = program.command('probe').description('one device: what it says, read in every way');
  for (const kind of KINDS) kind(probe, context, exit);
};
