import { SmEdgeError } from '../base/errors.js';
import type { WriteResult } from '../pipeline/desks/point-writes.js';
import type { RegisterVerb } from './context.js';
import { actorName, DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';

interface WriteOptions extends DaemonOptions {
  readonly by?: string;
  readonly note?: string;
}

/** `sm-edge write`: sets a point of a device that is declared writable; the running daemon does it and journals it. */
export const register: RegisterVerb = (program, context, exit) => {
  withDaemonOptions(
    program
      .command('write')
      .description('set a point that is declared writable; who did it is journaled')
      .argument('<point>', 'the point, such as pump-1.speed.setpoint')
      .argument('<value>', 'the value, in the unit of the point (a negative one after --)')
      .option('--by <name>', 'who does it (default: who is logged in)')
      .option('--note <text>', 'why'),
  ).action(async (point: string, text: string, options: WriteOptions) => {
    try {
      const value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value))
        throw new SmEdgeError('USAGE', `${text}: not a number`, { hint: 'write it without a unit' });
      const { by, note, json } = options;
      const written = await DaemonClient.find(options, context.env).post<WriteResult>(
        `points/${encodeURIComponent(point)}/write`,
        { value, by: actorName(by, context.env), ...(note === undefined ? {} : { note }) },
      );
      const { before, after, unit } = written;
      // JSON has no "undefined": a value that was not read is missing.
      const held = before === undefined ? '' : `, was ${before}`;
      const now =
        after === undefined ? `${value} ${unit} sent, not read back` : `${after} ${unit}, read back`;
      await write(context.out, json ? `${JSON.stringify(written)}\n` : `${point}: ${now}${held}\n`);
      exit(EXIT.done);
    } catch (thrown) {
      exit(await reportFailure(context, options.json === true, thrown));
    }
  });
};
