import { systemClock } from '../base/clock.js';
import { SmEdgeError, toSmEdgeError } from '../base/errors.js';
import type { DeadLetter } from '../events/journal.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';
import { ago, localTime, printable } from './text.js';

interface ListOptions extends DaemonOptions {
  readonly subscriber?: string;
}

/** `sm-edge dlq`: events that a subscriber could not take: look at them, have them tried again, or drop them. */
export const register: RegisterVerb = (program, context, exit) => {
  const dlq = program.command('dlq').description('dead letters: events that a subscriber could not take');

  const verb = <O extends DaemonOptions>(
    usage: string,
    description: string,
    action: (client: DaemonClient, ids: readonly string[], options: O) => Promise<string | object>,
    subscriberOption = false,
  ) => {
    const command = withDaemonOptions(dlq.command(usage).description(description));
    if (subscriberOption) command.option('--subscriber <name>', 'of this subscriber alone');
    command.action(async () => {
      const options = command.opts<O>();
      try {
        const client = DaemonClient.find(options, context.env);
        const answer = await action(client, command.args, options);
        await write(context.out, typeof answer === 'string' ? answer : `${JSON.stringify(answer)}\n`);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
  };

  verb<ListOptions>(
    'list',
    'the dead letters, oldest first',
    async (client, _ids, { json, subscriber }) => {
      const answer = await client.get<{ deadLetters: DeadLetter[] }>('dead-letters', { subscriber });
      return json ? answer : listText(answer.deadLetters, systemClock.nowMs());
    },
    true,
  );
  verb('show <id>', 'one of them, with its whole event', async (client, [id], { json }) => {
    const letter = await client.get<DeadLetter>(pathOf(id!));
    return json ? letter : `${letterLine(letter, systemClock.nowMs())}${eventText(letter)}`;
  });
  verb('retry <id...>', 'hands them to their subscribers once more', async (client, ids, { json }) => {
    await each(ids, 'taken', (path) => client.post(`${path}/retry`, {}));
    return json ? { retried: ids.map(Number) } : `taken: ${ids.join(', ')}\n`;
  });
  verb('drop <id...>', 'deletes them; what they said stays in the journal', async (client, ids, { json }) => {
    await each(ids, 'dropped', (path) => client.delete(path));
    return json ? { dropped: ids.map(Number) } : `dropped: ${ids.join(', ')}\n`;
  });
};

/** One after the other; where one fails the error says which were done. */
async function each(
  ids: readonly string[],
  done: string,
  act: (path: string) => Promise<unknown>,
): Promise<void> {
  const paths = ids.map(pathOf);
  for (const [index, path] of paths.entries()) {
    try {
      await act(path);
    } catch (thrown) {
      const error = toSmEdgeError(thrown);
      const before = index === 0 ? '' : ` (${done} before it: ${ids.slice(0, index).join(', ')})`;
      throw new SmEdgeError(error.code, `${ids[index]}: ${error.message}${before}`, {
        cause: thrown,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
}

/** @throws SmEdgeError `USAGE` */
function pathOf(id: string): string {
  if (/^\d{1,15}$/.test(id)) return `dead-letters/${id}`;
  throw new SmEdgeError('USAGE', `${id}: the number of a dead letter is wanted`, {
    hint: '"sm-edge dlq list" shows the numbers',
  });
}

function listText(letters: readonly DeadLetter[], nowMs: number): string {
  if (letters.length === 0) return 'no dead letter\n';
  return `${letters.map((letter) => letterLine(letter, nowMs)).join('')}look at one: sm-edge dlq show ${letters[0]!.id}; try it again: sm-edge dlq retry ${letters[0]!.id}\n`;
}

function letterLine({ id, subscriber, event, error, diedMs, retries }: DeadLetter, nowMs: number): string {
  const { message } = event.payload as { message?: string };
  const tried = retries === 0 ? '' : `, tried again ${retries} times`;
  return [
    printable(
      `${String(id).padStart(5)}  ${subscriber} could not take ${event.type} of ${localTime(Date.parse(event.time))}`,
    ),
    ...(message === undefined ? [] : [printable(`       ${message}`)]),
    printable(`       ${error} (${ago(nowMs - diedMs)} ago${tried})`),
    '',
  ].join('\n');
}

const eventText = ({ event }: DeadLetter): string => `${JSON.stringify(event, null, 2)}\n`;
