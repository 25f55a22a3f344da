import type { Command } from 'commander';
import type { periodJson } from '../api/cases.js';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { actorName, DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { timeOption } from './options.js';
import type { CliContext } from './output.js';
import { EXIT, reportFailure, write } from './output.js';
import { printable } from './text.js';

type Period = ReturnType<typeof periodJson>;

interface ActorOptions extends DaemonOptions {
  readonly by?: string;
  readonly note?: string;
}

interface LabelOptions extends ActorOptions {
  readonly from: string;
  readonly to: string;
  readonly cause?: string;
  readonly healthy?: boolean;
}

/** `sm-edge cases label`, `periods`, `withdraw`: what people know of times of which no alarm told. */
export function registerPeriods(cases: Command, context: CliContext, exit: (code: number) => void): void {
  const verb = <O extends DaemonOptions>(
    usage: string,
    description: string,
    action: (client: DaemonClient, argument: string, options: O) => Promise<string | object>,
    configure: (command: Command) => Command = (command) => command,
  ) => {
    const command = configure(withDaemonOptions(cases.command(usage).description(description)));
    command.action(async () => {
      const options = command.opts<O>();
      try {
        const client = DaemonClient.find(options, context.env);
        const answer = await action(client, command.args[0] ?? '', options);
        await write(context.out, typeof answer === 'string' ? answer : `${JSON.stringify(answer)}\n`);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
  };
  const by = (command: Command) =>
    command
      .option('--by <name>', 'who says so; who is logged in where missing')
      .option('--note <text>', 'why');
  const who = ({ by: name, note }: ActorOptions) => ({
    by: actorName(name, context.env),
    ...(note === undefined ? {} : { note }),
  });

  verb<LabelOptions>(
    'label <point>',
    'what a stretch of time was: a fault that no alarm told of, or healthy',
    async (client, point, options) => {
      const answer = await client.post<Answer>('cases/periods', {
        point,
        ...span(options),
        ...verdict(options),
        ...who(options),
      });
      return options.json === true ? answer : labelledText(answer);
    },
    (command) =>
      by(
        command
          .requiredOption(
            '--from <time>',
            '2026-11-21T09:30 (UTC where no zone is given), or 2h for two hours ago',
          )
          .requiredOption('--to <time>', 'the same')
          .option('--cause <text>', 'what was wrong, such as "outer race"')
          .option('--healthy', 'nothing was: what was unusual there is usual'),
      ),
  );
  verb<DaemonOptions & { readonly point?: string }>(
    'periods',
    'what people said of stretches of time, the newest first',
    async (client, _none, { point, json }) => {
      const answer = await client.get<{ periods: Period[] }>('cases/periods', { point });
      return json === true ? answer : periodsText(answer.periods);
    },
    (command) => command.option('--point <point>', 'of one point'),
  );
  verb<ActorOptions>(
    'withdraw <id>',
    'takes back what was said of a stretch of time',
    async (client, id, options) => {
      await client.post(`cases/periods/${encodeURIComponent(id)}/withdraw`, who(options));
      return options.json === true ? { ok: true, withdrawn: id } : `withdrawn: ${id}\n`;
    },
    by,
  );
}

interface Answer {
  readonly period: Period;
  readonly windows: number;
  readonly missed: boolean;
}

function span({ from, to }: LabelOptions) {
  const nowMs = systemClock.nowMs();
  return {
    from: new Date(timeOption('--from', from, nowMs)).toISOString(),
    to: new Date(timeOption('--to', to, nowMs)).toISOString(),
  };
}

function verdict({ cause, healthy }: LabelOptions): { cause: string } | { healthy: true } {
  if ((cause === undefined) !== (healthy === true))
    throw new SmEdgeError('USAGE', 'what was it?', { hint: 'give --cause "outer race", or --healthy' });
  return cause === undefined ? { healthy: true } : { cause };
}

/** Windows beyond which they are not counted. */
const COUNTED = 500;

function labelledText({ period, windows, missed }: Answer): string {
  const { isFault, alarms } = period;
  const count = windows < COUNTED ? `${windows}` : `${COUNTED} or more`;
  const seen = missed
    ? 'no alarm of the machine stood: it counts as missed ("sm-edge alarms stats")'
    : alarms.length > 0
      ? `meanwhile stood ${alarms.join(', ')}`
      : '';
  const use = isFault
    ? windows === 0
      ? 'no window of the point is stored of that time: it makes no case, unless another point of the machine was learned'
      : `${count} windows make a case ("sm-edge cases list"), and are learned as healthy no more`
    : windows === 0
      ? 'no window of the point is stored of that time: nothing comes of it'
      : `${count} windows count as healthy in the next training`;
  return [lineOf(period), `  ${use}`, ...(seen === '' ? [] : [`  ${printable(seen)}`]), ''].join('\n');
}

const periodsText = (periods: readonly Period[]): string =>
  periods.length === 0
    ? 'nothing was said; tell of a fault that no alarm told of: sm-edge cases label POINT --from TIME --to TIME --cause WHAT\n'
    : periods.map((of) => `${lineOf(of)}\n`).join('');

const lineOf = ({ from, to, point, isFault, cause, by, missed, id }: Period): string =>
  printable(
    `${from.slice(0, 16)} to ${to.slice(0, 16)}  ${point}  ${isFault ? cause : 'healthy'}${missed ? ', missed' : ''}, says ${by}  (${id})`,
  );
