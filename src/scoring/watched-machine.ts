import type { z } from 'zod';
import { machineSchema } from '../diagnosis/machine.js';
import { statesSchema } from './states/config.js';

/** A machine of the config: its nameplate for the physics, and how its operating states are known. */
export const watchedMachineSchema = machineSchema.extend({ states: statesSchema });

type Parsed = z.infer<typeof watchedMachineSchema>;

/** States that are not given are found. */
export type WatchedMachine = Omit<Parsed, 'states'> & Partial<Pick<Parsed, 'states'>>;
