import { systemClock } from '../base/clock.js';
import { Metrics } from '../base/metrics.js';
import { loadConfig } from '../config/load.js';
import { startOffline } from '../pipeline/recordings/offline.js';
import { machinesOfSet } from '../pipeline/recordings/recorded-states.js';
import { type ReplayLine, replay } from '../pipeline/recordings/replay.js';
import { openRecordingSet } from '../signals/recording-set.js';
import type { RegisterVerb } from './context.js';
import { EXIT, Progress, reportFailure, write } from './output.js';

interface ReplayOptions {
  readonly config?: string;
  readonly validation: boolean;
  readonly json?: boolean;
}

/** `sm-edge replay`: a recording set through the whole pipeline, deterministic, as NDJSON or as a table. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('replay')
    .description('a recording set through the whole pipeline, as fast as it goes')
    .argument('<dir>', 'folder with manifest.json (recording-set/1)')
    .option('--config <file>', 'machines, models and alarms of this config instead of those of the manifest')
    .option('--no-validation', 'let every anomaly count at once')
    .option('--json', 'NDJSON on stdout: features, scores, diagnoses, alarms, a summary')
    .action(async (dir: string, options: ReplayOptions) => {
      try {
        await run(dir, options);
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function run(dir: string, options: ReplayOptions): Promise<void> {
    const config = options.config === undefined ? undefined : loadConfig(options.config, context.env).config;
    const set = await openRecordingSet(dir);
    const machines = machinesOfSet(set);
    const offline = await startOffline({ clock: systemClock, metrics: new Metrics(), config, machines });
    const progress = new Progress(
      context,
      'replay',
      set.manifest.recordings.length + set.manifest.tables.length,
    );
    try {
      const lines = replay({
        set,
        ...offline,
        configured: config !== undefined,
        validation: options.validation,
        onProgress: (done, _total, file) => progress.update(done, file),
      });
      for await (const line of lines) {
        const text = options.json ? JSON.stringify(line) : readable(line);
        if (text !== '') await write(context.out, `${text}\n`);
      }
    } finally {
      progress.end();
      await offline.close();
    }
  }
};

/** Said only where there is any. */
const more = (count: number, what: string): string => (count === 0 ? '' : ` (${count} ${what})`);

/** What a person wants to see of a line; features are for programs. */
function readable(line: ReplayLine): string {
  switch (line.kind) {
    case 'diagnosis':
      return `${line.recording.padEnd(44)} ${line.fault.padEnd(12)} ${(line.confidence * 100).toFixed(0).padStart(3)} %  ${line.sentence}`;
    case 'alarm':
      return `${line.recording.padEnd(44)} ALARM ${line.point} ${line.from} -> ${line.to}: ${line.message}`;
    case 'summary': {
      const verdicts = Object.entries(line.diagnoses).map(([fault, count]) => `${fault} ${count}`);
      return [
        `${line.recordings} recordings, ${line.tables} tables, ${line.windows} windows${more(line.leftOut, 'more without a signal')}, ${line.readings} readings${more(line.badReadings, 'of them no numbers')}${more(line.earlierRows, 'rows earlier than the one before: sort the tables by time')}`,
        ...line.doubts,
        `${line.anomalous} anomalous scores, ${line.confirmed} anomalies believed, ${line.heldBack} held back, ${line.alarms} alarm transitions; verdicts: ${verdicts.join(', ') || 'none'}`,
      ].join('\n');
    }
    default:
      return '';
  }
}
