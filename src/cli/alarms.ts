import type { Command } from 'commander';
import type { AlarmRecord } from '../alarms/engine.js';
import { matches } from '../alarms/pattern.js';
import type { AlarmStatistics } from '../alarms/statistics.js';
import type { HeldBack } from '../alarms/validator.js';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import type { AlarmDetails } from '../pipeline/desks/alarm-desk.js';
import { detailsText, heldText, listText, statisticsText } from './alarm-text.js';
import type { RegisterVerb } from './context.js';
import { actorName, DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { durationOption, numberOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';

interface ActionOptions extends DaemonOptions {
  readonly by?: string;
  readonly note?: string;
  readonly for?: string;
  readonly cause?: string;
}

interface ListOptions extends DaemonOptions {
  readonly all?: boolean;
  readonly machine?: string;
  readonly point?: string;
}

const NAMES =
  'alarm: ALARM@POINT as "alarms list" shows it; also the alarm or the point alone where that names one; * for many';

/** `sm-edge alarms`: what is wrong, and what people do about it; asks the running daemon. */
export const register: RegisterVerb = (program, context, exit) => {
  const alarms = program.command('alarms').description('alarms: see them, act on them, tell what they were');

  const verb = <O extends DaemonOptions>(
    usage: string,
    description: string,
    action: (client: DaemonClient, args: readonly string[], options: O) => Promise<string | object>,
    configure: (command: Command) => Command = (command) => command,
  ) =>
    configure(withDaemonOptions(alarms.command(usage).description(description))).action(
      async (...given: unknown[]) => {
        const command = given.at(-1) as Command;
        const options = command.opts<O>();
        try {
          const answer = await action(DaemonClient.find(options, context.env), command.args, options);
          await write(context.out, typeof answer === 'string' ? answer : `${JSON.stringify(answer)}\n`);
          exit(EXIT.done);
        } catch (thrown) {
          exit(await reportFailure(context, options.json === true, thrown));
        }
      },
    );

  verb<ListOptions>(
    'list',
    'the alarms that are not normal, the most urgent first',
    async (client, _args, { all, machine, point, json }) => {
      const answer = await client.get<{ alarms: AlarmRecord[] }>('alarms', {
        all: all === true ? 'true' : undefined,
        machine,
        point,
      });
      return json ? answer : listText(answer.alarms, systemClock.nowMs());
    },
    (command) =>
      command
        .option('--all', 'normal ones too')
        .option('--machine <id>', 'of one machine')
        .option('--point <pattern>', 'of these points; * stands for any run of characters'),
  );

  verb<DaemonOptions>(
    'show <alarm>',
    'one alarm: what it watches and what happened to it',
    async (client, [name], { json }) => {
      const details = await client.get<AlarmDetails>(pathOf(await oneOf(client, name!)));
      return json ? details : detailsText(details, systemClock.nowMs());
    },
    (command) => command.addHelpText('after', `\n${NAMES}`),
  );

  const actionVerb = (
    usage: string,
    description: string,
    path: string,
    done: string,
    body: (options: ActionOptions, args: readonly string[]) => object = () => ({}),
    configure: (command: Command) => Command = (command) => command,
  ) =>
    verb<ActionOptions>(
      usage,
      description,
      async (client, args, options) => {
        const by = actorName(options.by, context.env);
        const { note } = options;
        const request = { by, ...(note === undefined ? {} : { note }), ...body(options, args) };
        const targets = await manyOf(client, args[0]!, path);
        for (const target of targets) await client.post(`${pathOf(target)}/${path}`, request);
        if (options.json) return { done: path, alarms: targets.map(keyOf) };
        return targets.map((target) => `${keyOf(target)}: ${done} by ${by}\n`).join('');
      },
      (command) =>
        configure(command)
          .option('--by <name>', 'who does it (default: who is logged in)')
          .addHelpText('after', `\n${NAMES}`),
    );
  const noted = (command: Command) => command.option('--note <text>', 'why');

  actionVerb('ack <alarm>', 'you have seen it', 'acknowledge', 'acknowledged', undefined, noted);
  actionVerb('reset <alarm>', 'end a latched alarm whose cause is gone', 'reset', 'reset', undefined, noted);
  actionVerb(
    'shelve <alarm>',
    'put it away for a while; it comes back by itself',
    'shelve',
    'shelved',
    (options) => {
      durationOption('--for', options.for!);
      return { for: options.for };
    },
    (command) => noted(command.requiredOption('--for <duration>', 'how long: 30min, 8h, at most 30d')),
  );
  actionVerb('unshelve <alarm>', 'take it back', 'unshelve', 'back', undefined, noted);
  actionVerb(
    'suppress <alarm>',
    'silent by design, until unsuppress',
    'suppress',
    'suppressed',
    undefined,
    noted,
  );
  actionVerb('unsuppress <alarm>', 'end of suppress', 'unsuppress', 'no longer suppressed', undefined, noted);
  actionVerb(
    'out-of-service <alarm>',
    'out of service for maintenance, until in-service',
    'remove-from-service',
    'out of service',
    undefined,
    noted,
  );
  actionVerb(
    'in-service <alarm>',
    'end of out-of-service',
    'return-to-service',
    'in service',
    undefined,
    noted,
  );
  actionVerb('comment <alarm> <text...>', 'a remark in its history', 'comment', 'commented', (_, args) => ({
    text: args.slice(1).join(' '),
  }));
  actionVerb(
    'label <alarm> <true|false>',
    'whether it was right the last time; the validation learns from it',
    'label',
    'labelled',
    ({ cause }, [, verdict]) => {
      if (verdict !== 'true' && verdict !== 'false')
        throw new SmEdgeError('USAGE', `${verdict}: a label is true or false`, {
          hint: 'true: there was something; false: there was nothing',
        });
      return { correct: verdict === 'true', ...(cause === undefined ? {} : { cause }) };
    },
    (command) => noted(command.option('--cause <text>', 'what it was')),
  );

  verb<ListOptions & { readonly limit: string }>(
    'held',
    'anomalies that the validation did not let become alarms, and why',
    async (client, _args, { point, limit, json }) => {
      const answer = await client.get<{ heldBack: HeldBack[] }>('alarms/held-back', {
        point,
        limit: numberOption('--limit', limit),
      });
      return json ? answer : heldText(answer.heldBack);
    },
    (command) =>
      command
        .option('--point <pattern>', 'of these points; * stands for any run of characters')
        .option('--limit <count>', 'the newest of them, at most', '50'),
  );

  verb<DaemonOptions & { readonly period: string }>(
    'stats',
    'how good the alarms are: the measures of ISA-18.2',
    async (client, _args, { period, json }) => {
      const toMs = systemClock.nowMs();
      const stats = await client.get<AlarmStatistics>('alarms/stats', {
        from: new Date(toMs - durationOption('--period', period)).toISOString(),
        to: new Date(toMs).toISOString(),
      });
      return json ? stats : statisticsText(stats);
    },
    (command) => command.option('--period <duration>', 'up to now', '7d'),
  );
};

type Target = Pick<AlarmRecord, 'alarm' | 'point' | 'state'>;

const keyOf = ({ alarm, point }: Target): string => `${alarm}@${point}`;
const pathOf = ({ alarm, point }: Target): string =>
  `alarms/${encodeURIComponent(alarm)}/${encodeURIComponent(point)}`;

/** @throws SmEdgeError `ALARM_UNKNOWN` */
async function found(client: DaemonClient, name: string): Promise<Target[]> {
  const { alarms } = await client.get<{ alarms: Target[] }>('alarms', { all: 'true' });
  const exact = alarms.filter((alarm) => keyOf(alarm) === name);
  if (exact.length > 0) return exact;
  const named = alarms.filter(
    (alarm) => matches(name, keyOf(alarm)) || matches(name, alarm.alarm) || matches(name, alarm.point),
  );
  if (named.length > 0) return named;
  throw new SmEdgeError('ALARM_UNKNOWN', `no alarm is named ${name}`, {
    hint: '"sm-edge alarms list --all" shows every alarm at every point that sent something',
  });
}

/** @throws SmEdgeError `USAGE` where the name means more than one */
async function oneOf(client: DaemonClient, name: string): Promise<Target> {
  const targets = await found(client, name);
  const there = targets.filter(({ state }) => state !== 'normal');
  const [one, ...others] = there.length > 0 ? there : targets;
  if (others.length === 0) return one!;
  throw ambiguous(name, [one!, ...others]);
}

/** Several only where the name has a `*`; of those the ones in which the action changes something. */
async function manyOf(client: DaemonClient, name: string, path: string): Promise<Target[]> {
  if (!name.includes('*')) return [await narrowed(client, name, path)];
  const targets = (await found(client, name)).filter(({ state }) => isAim(path, state));
  if (targets.length > 0) return targets;
  throw new SmEdgeError('ALARM_STATE', `no alarm of ${name} is in a state in which to ${path}`);
}

async function narrowed(client: DaemonClient, name: string, path: string): Promise<Target> {
  const targets = await found(client, name);
  const aims = targets.filter(({ state }) => isAim(path, state));
  if (targets.length === 1) return targets[0]!;
  if (aims.length === 1) return aims[0]!;
  throw ambiguous(name, aims.length > 0 ? aims : targets);
}

const ambiguous = (name: string, targets: readonly Target[]) =>
  new SmEdgeError('USAGE', `${name} names ${targets.length} alarms`, {
    hint: `say which: ${targets.slice(0, 5).map(keyOf).join(', ')}${targets.length > 5 ? ' …' : ''}`,
  });

/** Whether an action aims at alarms in this state. */
function isAim(path: string, state: AlarmRecord['state']): boolean {
  switch (path) {
    case 'acknowledge':
      return state.endsWith('unacknowledged');
    case 'reset':
      return state === 'latched-acknowledged';
    case 'unshelve':
      return state === 'shelved';
    case 'unsuppress':
      return state === 'suppressed';
    case 'return-to-service':
      return state === 'out-of-service';
    case 'comment':
    case 'label':
      return state !== 'normal';
    default:
      return true;
  }
}
