import type { Command } from 'commander';
import type { CliContext } from './output.js';

/** A verb of the command line: adds itself to the program. `exit` takes the exit code of what was run. */
export type RegisterVerb = (program: Command, context: CliContext, exit: (code: number) => void) => void;
