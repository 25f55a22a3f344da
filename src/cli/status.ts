import { systemClock } from '../base/clock.js';
import type { HealthReport } from '../base/health.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';
import { duration } from './top-screen.js';

/** `sm-edge status`: the state of every part, once. Exit code 0 while the gateway works, 1 where it failed. */
export const register: RegisterVerb = (program, context, exit) => {
  withDaemonOptions(program.command('status'))
    .description('the state of the running daemon and of each of its parts')
    .action(async (options: DaemonOptions) => {
      try {
        const answer = await DaemonClient.find(options, context.env).open(
          '/health',
          AbortSignal.timeout(5_000),
        );
        const health = (await answer.json()) as HealthReport;
        await write(
          context.out,
          options.json ? `${JSON.stringify(health)}\n` : textOf(health, systemClock.nowMs()),
        );
        exit(health.state === 'failed' ? EXIT.failed : EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

function textOf(health: HealthReport, nowMs: number): string {
  const { gatewayId, site, version, state, uptimeS, parts } = health;
  const width = Math.max(...parts.map(({ part }) => part.length), 8);
  return [
    `${gatewayId} at ${site}: ${state}, version ${version}, up ${duration(uptimeS)}`,
    ...parts.map(
      (part) =>
        `  ${part.part.padEnd(width)}  ${part.state.padEnd(8)}  for ${duration((nowMs - part.sinceMs) / 1000)}${part.reason === '' ? '' : `: ${part.reason}`}`,
    ),
    '',
  ].join('\n');
}
