import { type Clock, sleep, systemClock } from '../base/clock.js';
import { toSmEdgeError } from '../base/errors.js';
import type { ListedEvent } from '../pipeline/desks/event-desk.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { durationOption, numberOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';
import { localTime, printable } from './text.js';

interface EventsOptions extends DaemonOptions {
  readonly type?: string;
  readonly point?: string;
  readonly correlation?: string;
  readonly since?: string;
  readonly limit: string;
}

const POLL_MS = 1_000;
const PAGE = 1_000;

/** `sm-edge events`: the journal of the running daemon, as a list or as it grows; NDJSON with --json. */
export const register: RegisterVerb = (program, context, exit) => {
  const events = program.command('events').description('the journal: what happened, and what led to what');

  const verb = (name: string, description: string, action: (options: EventsOptions) => Promise<void>) =>
    withDaemonOptions(events.command(name).description(description))
      .option('--type <types>', 'of these types, with commas between them')
      .option('--point <point>', 'at this point')
      .option('--correlation <id>', 'of everything that one input led to')
      .option('--since <duration>', 'not older than this')
      .option('--limit <count>', 'the newest of them, at most', '50')
      .action(async (options: EventsOptions) => {
        try {
          await action(options);
          exit(EXIT.done);
        } catch (thrown) {
          exit(await reportFailure(context, options.json === true, thrown));
        }
      });

  const show = (listed: readonly ListedEvent[], json: boolean) =>
    write(
      context.out,
      listed.map((event) => (json ? `${JSON.stringify(event)}\n` : eventText(event))).join(''),
    );

  const queryOf = ({ type, point, correlation, since }: EventsOptions) => ({
    type,
    point,
    correlation,
    from:
      since === undefined
        ? undefined
        : new Date(systemClock.nowMs() - durationOption('--since', since)).toISOString(),
  });

  verb('list', 'the newest events, oldest first', async (options) => {
    const client = DaemonClient.find(options, context.env);
    const limit = numberOption('--limit', options.limit);
    const answer = await client.get<{ events: ListedEvent[] }>('events', { ...queryOf(options), limit });
    await show(answer.events, options.json === true);
    if (answer.events.length === 0 && !options.json) await write(context.out, 'no event\n');
  });

  verb('follow', 'the newest events, and each further one as it comes', async (options) => {
    const client = DaemonClient.find(options, context.env);
    const stop = untilSignal(systemClock);
    const limit = numberOption('--limit', options.limit);
    try {
      const newest = await client.get<{ events: ListedEvent[] }>('events', { ...queryOf(options), limit });
      await show(newest.events, options.json === true);
      let after = newest.events.at(-1)?.seq ?? 0;
      const seen = await client.get<{ events: ListedEvent[] }>('events', { limit: 1 });
      after = Math.max(after, seen.events.at(-1)?.seq ?? 0);
      while (!stop.stopped) {
        const { events: more } = await again(systemClock, () =>
          client.get<{ events: ListedEvent[] }>('events', { ...queryOf(options), after, limit: PAGE }),
        );
        await show(more, options.json === true);
        after = more.at(-1)?.seq ?? after;
        if (more.length < PAGE) await stop.wait(POLL_MS);
      }
    } finally {
      stop.dispose();
    }
  });
};

/** A daemon that is restarted is away for a moment. */
async function again<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (thrown) {
      if (toSmEdgeError(thrown).code !== 'DAEMON_UNREACHABLE' || attempt >= 30) throw thrown;
      await sleep(clock, 'daemon', POLL_MS);
    }
  }
}

function eventText({ seq, type, time, correlationId, payload }: ListedEvent): string {
  const { message, point } = payload as { message?: string; point?: string };
  const what = message ?? point ?? '';
  return `${String(seq).padStart(6)}  ${localTime(Date.parse(time))}  ${printable(`${type}: ${what}`)}\n        correlation ${printable(correlationId)}\n`;
}
