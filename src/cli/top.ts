import { systemClock } from '../base/clock.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { liveEvents } from './live-events.js';
import { numberOption } from './options.js';
import { EXIT, reportFailure, write } from './output.js';
import { untilSignal } from './signals.js';
import { renderTop, type TopSnapshot } from './top-screen.js';

interface TopOptions extends DaemonOptions {
  readonly count?: string;
  readonly interval: string;
}

const HOME_AND_CLEAR = '\u001b[H\u001b[J';

/** `sm-edge top`: the whole gateway live. */
export const register: RegisterVerb = (program, context, exit) => {
  withDaemonOptions(program.command('top'))
    .description('the whole gateway live: sources, alarms and points, what is wrong first')
    .option('--interval <ms>', 'from one look to the next', '1000')
    .option('--count <number>', 'end after so many')
    .action(async (options: TopOptions) => {
      try {
        await top(options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function top(options: TopOptions): Promise<void> {
    const wanted =
      options.count === undefined ? Number.POSITIVE_INFINITY : numberOption('--count', options.count);
    const interval = numberOption('--interval', options.interval);
    const client = DaemonClient.find(options, context.env);
    const aborted = new AbortController();
    const stop = untilSignal(systemClock);
    void stop.done.then(() => aborted.abort());
    let before: TopSnapshot | undefined;
    let shown = 0;
    try {
      for await (const { data } of liveEvents(client, { interval }, aborted.signal)) {
        const now = data as TopSnapshot;
        const size = { columns: context.out.columns ?? 120, rows: context.out.rows ?? 1000 };
        const text = options.json
          ? `${JSON.stringify(now)}\n`
          : `${context.out.isTTY ? HOME_AND_CLEAR : ''}${renderTop(now, before, size)}\n${context.out.isTTY ? '' : '\n'}`;
        await write(context.out, text);
        before = now;
        if (++shown >= wanted) return;
      }
    } finally {
      aborted.abort();
      stop.dispose();
    }
  }
};
