import { systemClock } from '../base/clock.js';
import type { HealthReport } from '../base/health.js';
import type { RegisterVerb } from './context.js';
import { DaemonClient, type DaemonOptions, withDaemonOptions } from './daemon-client.js';
import { EXIT, reportFailure, write } from './output.js';
import { printable } from './text.js';
import { duration } from './top-screen.js';

/** `sm-edge status`: the state of every part, once. Exit code 0 while the gateway works, 1 where it failed. */
export const register: RegisterVerb = (program, context, exit) => {
  withDaemonOptions(program.command('status'))
    .description('the state of the running daemon and of each of its parts')
    .action(async (options: DaemonOptions) => {
      try {
        const client = DaemonClient.find(options, context.env);
        const answer = await client.open('/health', AbortSignal.timeout(5_000));
        const health = (await answer.json()) as HealthReport;
        // A gateway that starts or failed has none.
        const learning = await client
          .get<{ commissioning: Learning[] }>('commissioning')
          .then(({ commissioning }) => commissioning.filter(({ state }) => OPEN.has(state)))
          .catch(() => []);
        await write(
          context.out,
          options.json
            ? `${JSON.stringify({ ...health, learning })}\n`
            : `${textOf(health, systemClock.nowMs())}${learning.map(learningLine).join('')}`,
        );
        exit(health.state === 'failed' ? EXIT.failed : EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

interface Learning {
  readonly point: string;
  readonly state: string;
  readonly message: string;
}

const OPEN: ReadonlySet<string> = new Set(['collecting', 'held', 'training']);

const learningLine = ({ point, message }: Learning): string =>
  printable(`  learning ${point}: ${message}`).concat('\n');

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
