import { writeFile } from 'node:fs/promises';
import type { caseJson } from '../api/cases.js';
import { registerPeriods } from './case-periods.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';
import { printable } from './text.js';

type Case = ReturnType<typeof caseJson>;

/** `sm-edge cases`: faults that people named when they labelled alarms, or reported. */
export const register: RegisterVerb = (program, context, exit) => {
  const cases = program.command('cases').description('labelled faults, by which later anomalies are named');

  const verb = (
    usage: string,
    description: string,
    action: (client: DaemonClient, argument: string, json: boolean) => Promise<string>,
  ) => {
    const command = withDaemonOptions(cases.command(usage).description(description));
    command.action(async () => {
      const options = command.opts<DaemonOptions>();
      try {
        const client = DaemonClient.find(options, context.env);
        await write(context.out, await action(client, command.args[0] ?? '', options.json === true));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
  };

  verb('list', 'all of them, the newest first', async (client, _none, json) => {
    const answer = await client.get<{ cases: Case[] }>('cases');
    return json ? `${JSON.stringify(answer)}\n` : listText(answer.cases);
  });
  verb('export <file>', 'all of them with their features, as NDJSON', async (client, file, json) => {
    const { cases: found } = await client.get<{ cases: Case[] }>('cases');
    await writeFile(file, found.map((one) => `${JSON.stringify(one)}\n`).join(''));
    return json
      ? `${JSON.stringify({ ok: true, file, cases: found.length })}\n`
      : `${found.length} cases in ${file}\n`;
  });
  verb('forget <id>', 'one that was labelled wrongly', async (client, id, json) => {
    await client.delete(`cases/${encodeURIComponent(id)}`);
    return json ? `${JSON.stringify({ ok: true, forgotten: id })}\n` : `forgotten: ${id}\n`;
  });
  registerPeriods(cases, context, exit);
};

function listText(found: readonly Case[]): string {
  if (found.length === 0)
    return 'no case yet; name what a true alarm was: sm-edge alarms label ALARM true --cause WHAT\nor a fault that no alarm told of: sm-edge cases label POINT --from TIME --to TIME --cause WHAT\n';
  return found
    .map(({ id, label, point, from, windows, by }) =>
      printable(
        `${from.slice(0, 16)}  ${label.padEnd(20)} ${point}  ${windows} windows, by ${by}  (${id})`,
      ).concat('\n'),
    )
    .join('');
}
