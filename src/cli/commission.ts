import type { recordJson } from '../api/commissioning.js';
import type { RegisterVerb } from './context.js';
import { actorName, DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { durationOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';
import { printable } from './text.js';

type Shown = ReturnType<typeof recordJson>;

interface CommissionOptions extends DaemonOptions {
  readonly by?: string;
  readonly note?: string;
  readonly healthy?: string;
}

/** `sm-edge commission`: have the gateway learn the healthy machine that it stands beside. */
export const register: RegisterVerb = (program, context, exit) => {
  const commission = program
    .command('commission')
    .description('learn healthy machines while the daemon runs; a target is a point or a machine');

  const verb = (
    usage: string,
    description: string,
    action: (client: DaemonClient, target: string, options: CommissionOptions) => Promise<Shown[]>,
    withTime = false,
  ) => {
    const command = withDaemonOptions(commission.command(usage).description(description));
    if (usage !== 'list')
      command.option('--by <name>', 'who does it (default: who is logged in)').option('--note <text>', 'why');
    if (withTime)
      command.option(
        '--healthy <duration>',
        'healthy running time to learn from, such as 24h (as configured)',
      );
    command.action(async () => {
      const options = command.opts<CommissionOptions>();
      try {
        const client = DaemonClient.find(options, context.env);
        const records = await action(client, command.args[0] ?? '', options);
        await write(
          context.out,
          options.json ? `${JSON.stringify({ commissioning: records })}\n` : textOf(records),
        );
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
  };

  const post =
    (path: string) =>
    async (client: DaemonClient, target: string, options: CommissionOptions): Promise<Shown[]> => {
      const { healthy, note } = options;
      const answer = await client.post<{ commissioning: Shown[] }>(
        `commissioning/${encodeURIComponent(target)}/${path}`,
        {
          by: actorName(options.by, context.env),
          ...(note === undefined ? {} : { note }),
          ...(healthy === undefined ? {} : { healthy: `${durationOption('--healthy', healthy)}ms` }),
        },
      );
      return answer.commissioning;
    };

  verb('list', 'which points are or were learned, and how far', async (client) => {
    const answer = await client.get<{ commissioning: Shown[] }>('commissioning');
    return answer.commissioning;
  });
  verb('start <target>', 'count healthy running from now on, then learn it', post('start'), true);
  verb('stop <target>', 'learn no more; a learned model stays in use', post('stop'));
  verb('accept <target>', 'the machine is healthy as it is: learn it all the same', post('accept'));
  verb('rollback <target>', 'back to what was in use before the learned model', post('rollback'));
};

function textOf(records: readonly Shown[]): string {
  if (records.length === 0)
    return 'no point is being learned; begin with: sm-edge commission start MACHINE\n';
  return records
    .map(({ point, state, progress, message }) => {
      const share = `${Math.floor(100 * progress)} %`.padStart(5);
      return printable(`${point.padEnd(40)} ${state.padEnd(10)} ${share}  ${message}`);
    })
    .join('\n')
    .concat('\n');
}
