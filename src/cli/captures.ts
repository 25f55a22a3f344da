import type { CaptureJson } from '../api/captures.js';
import type { CaptureUnderWay } from '../pipeline/live/live.js';
import type { RegisterVerb } from './context.js';
import { actorName, DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';
import { localTime, printable, table } from './text.js';

interface CaptureOptions extends DaemonOptions {
  readonly point?: string;
  readonly correlation?: string;
  readonly limit?: string;
  readonly by?: string;
}

/** `sm-edge captures`: raw signals that were kept. */
export const register: RegisterVerb = (program, context, exit) => {
  const group = program
    .command('captures')
    .description('raw signals that were kept around alarms and anomalies, or on request');

  const list = group.command('list').description('those that are kept, the newest first');
  list
    .option('--point <pattern>', 'of points with this name, * for any part')
    .option('--correlation <id>', 'those of one happening, by the id that its events have')
    .option('--limit <count>', 'at most so many', '20');
  const take = group.command('take <point>').description('keep the raw signal around now; * for any part');
  take.option('--by <name>', 'who asks for it (default: who is logged in)');

  for (const command of [list, take])
    withDaemonOptions(command).action(async () => {
      const options = command.opts<CaptureOptions>();
      try {
        const client = DaemonClient.find(options, context.env);
        const text = command === list ? listed(client, options) : taken(client, command.args[0]!, options);
        await write(context.out, await text);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function taken(client: DaemonClient, point: string, options: CaptureOptions): Promise<string> {
    const by = actorName(options.by, context.env);
    const answer = await client.post<CaptureUnderWay>('captures', { point, by });
    if (options.json) return `${JSON.stringify(answer)}\n`;
    const { points, beforeMs, afterMs, correlationId } = answer;
    const span = `from ${beforeMs / 1000} s before now to ${afterMs / 1000} s after`;
    const seen = `sm-edge captures list --correlation ${correlationId}`;
    return `${points.map((one) => `${printable(one)}: kept ${span}\n`).join('')}then see: ${seen}\n`;
  }
};

async function listed(client: DaemonClient, options: CaptureOptions): Promise<string> {
  const { point, correlation, limit, json } = options;
  const answer = await client.get<{ captures: CaptureJson[] }>('captures', { point, correlation, limit });
  if (json) return `${JSON.stringify(answer)}\n`;
  if (answer.captures.length === 0)
    return 'no raw signal is kept yet: sm-edge captures take POINT keeps one, and so do alarms and anomalies\n';
  const lines = table([
    ['WHEN', 'POINT', 'LENGTH', 'WHY'],
    ...answer.captures.map((one) => [
      localTime(Date.parse(one.triggerTime)),
      one.point,
      `${(one.durationMs / 1000).toFixed(1)} s${one.cut.length > 0 ? ' (cut)' : ''}`,
      [...new Set(one.causes.map(whyText))].join(', '),
    ]),
  ]);
  const newest = answer.captures[0]!;
  return `${lines.map((one) => printable(one)).join('\n')}\n\nas WAV: sm-edge export --what waveforms --point '${newest.point}' --from ${newest.startTime} --to FOLDER\n`;
}

const whyText = ({ trigger, alarm, by }: CaptureJson['causes'][number]): string => {
  if (trigger === 'alarm') return `alarm ${alarm}`;
  return trigger === 'manual' ? `asked for by ${by ?? 'a person'}` : 'an anomaly';
};
