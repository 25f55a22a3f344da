import type { ClockJson } from '../api/clock.js';
import type { RegisterVerb } from './context.js';
import { actorName, DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';

interface ClockOptions extends DaemonOptions {
  readonly by?: string;
}

/** `sm-edge clock`: the time that old data are deleted by. */
export const register: RegisterVerb = (program, context, exit) => {
  const group = program
    .command('clock')
    .description('the time that old data are deleted by; a clock that jumped ahead is doubted');
  const verb = (
    name: string,
    description: string,
    ask: (client: DaemonClient, by: string) => Promise<ClockJson>,
  ) => {
    const command = withDaemonOptions(group.command(name).description(description));
    if (name === 'confirm') command.option('--by <name>', 'who says so (default: who is logged in)');
    command.action(async () => {
      const options = command.opts<ClockOptions>();
      try {
        const answer = await ask(DaemonClient.find(options, context.env), actorName(options.by, context.env));
        await write(context.out, options.json ? `${JSON.stringify(answer)}\n` : textOf(answer));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
  };
  verb('show', 'what age is measured from, and whether the clock is doubted', (client) =>
    client.get('clock'),
  );
  verb('confirm', 'the clock is right: delete by it, a day of data every ten minutes', (client, by) =>
    client.post('clock/confirm', { by }),
  );
};

function textOf({ believed, doubtedS, catchingUp, synchronised, synchronisedSays }: ClockJson): string {
  const days = Math.round(doubtedS / 86_400);
  const doubt = catchingUp ? 'and is being followed, a day every ten minutes' : 'and is not believed';
  const belief =
    doubtedS === 0
      ? `age is measured from ${believed}; the clock is believed`
      : `age is measured from ${believed}; the clock is ${days} days ahead of that ${doubt}`;
  const follows = synchronised ? 'follows a time source' : 'follows no time source';
  const sync =
    synchronised === null
      ? 'nothing here tells whether the clock follows a time source (busybox, perl, adjtimex, timedatectl and chronyc were asked)'
      : `the clock ${follows} (says ${synchronisedSays})`;
  return `${belief}\n${sync}\n`;
}
