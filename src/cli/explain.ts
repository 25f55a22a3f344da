import { Option } from 'commander';
import { systemClock } from '../base/clock.js';
import { Metrics } from '../base/metrics.js';
import { type Explanation, explainFile } from '../pipeline/recordings/explain-file.js';
import { BUNDLED_MODELS_DIR, ModelStore } from '../scoring/model-store.js';
import { quarantine } from '../scoring/quarantine.js';
import { Scorer } from '../scoring/scorer.js';
import { BUILTIN_MODEL } from '../scoring/selection.js';
import { openRecordingSet } from '../signals/recording-set.js';
import type { RegisterVerb } from './context.js';
import { knownCases } from './known-cases.js';
import { numberOption } from './options.js';
import { type CliContext, EXIT, reportFailure, write } from './output.js';

interface ExplainOptions {
  readonly model: string;
  readonly dir?: string;
  readonly against?: string;
  readonly unit?: string;
  readonly quantity?: string;
  readonly fullScale?: string;
  readonly rate?: string;
  readonly speed?: string;
  readonly bearing?: string;
  readonly block?: string;
  readonly json?: boolean;
  readonly config?: string;
  readonly data?: string;
  readonly point?: string;
  readonly state?: string;
}

/** `sm-edge explain`: why a model scores a recording as it does. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('explain')
    .description('why a model scores a recording as it does: features, nearest known cases, physics')
    .argument('<file>', 'the recording')
    .option('--model <name>', 'NAME or NAME/VERSION', BUILTIN_MODEL)
    .option('--dir <folder>', 'folder with further models, as sm-edge train writes it')
    .option('--against <dir>', 'recording set whose labelled recordings are the known cases')
    .option('--config <file>', 'in place of --against: the labelled cases of the gateway with this config')
    .option('--data <folder>', 'its data folder, in place of --config')
    .option('--point <point>', 'the point that the recording is of, with --config')
    .option('--state <name>', 'operating state that the recording is of: the threshold of that state counts')
    .option('--unit <unit>', 'unit of a sample: g, m/s2, mm/s, Pa, FS')
    .option('--quantity <quantity>', 'acceleration, velocity, sound-pressure')
    .option('--full-scale <value>', 'value, in the unit, of a sample of 1.0')
    .option('--rate <hz>', 'sample rate, Hz, where the file does not say it')
    .option('--speed <rpm>', 'shaft speed, rpm')
    .addOption(new Option('--bearing <bearing>', 'designation, or balls,ballMm,pitchMm,angleDeg'))
    .option('--block <samples>', 'block length; the block with the highest score is explained')
    .option('--json', 'one JSON document on stdout')
    .action(async (file: string, options: ExplainOptions) => {
      try {
        const answer = await run(file, options, context);
        await write(context.out, options.json ? `${JSON.stringify(answer)}\n` : report(answer));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });
};

async function run(file: string, options: ExplainOptions, context: CliContext): Promise<Explanation> {
  const isStore = options.config !== undefined || options.data !== undefined;
  const known = isStore ? knownCases(options, context) : undefined;
  const metrics = new Metrics();
  const store = new ModelStore({
    bundledDir: BUNDLED_MODELS_DIR,
    localDir: options.dir ?? BUNDLED_MODELS_DIR,
    quarantine: quarantine(systemClock),
    metrics,
  });
  const [name, version] = options.model.split('/');
  const scorer = new Scorer({ clock: systemClock, metrics });
  const { unit, quantity, bearing } = options;
  const number = (option: string, text: string | undefined, key: string) =>
    text === undefined ? {} : { [key]: numberOption(option, text) };
  try {
    return await explainFile({
      file,
      recording: {
        ...(unit === undefined ? {} : { unit }),
        ...(quantity === undefined ? {} : { quantity }),
        ...(bearing === undefined ? {} : { bearing }),
        ...number('--full-scale', options.fullScale, 'fullScale'),
        ...number('--rate', options.rate, 'rateHz'),
        ...number('--speed', options.speed, 'speedRpm'),
        ...number('--block', options.block, 'blockLength'),
      },
      model: await store.resolve(name!, version),
      scorer,
      ...(options.state === undefined ? {} : { state: options.state }),
      ...(known === undefined ? {} : { known }),
      ...(options.against === undefined ? {} : { against: await openRecordingSet(options.against) }),
    });
  } finally {
    await scorer.close();
  }
}

const MOST_LINES = 10;

/** `limit 0.62 in the state low`, or the overall one and those of the states that were not named. */
function limitText({ threshold, state, thresholds = {} }: Explanation): string {
  if (state !== undefined) return `limit ${threshold} in the state ${state}`;
  const own = Object.entries(thresholds).map(([name, value]) => `${name} ${value}`);
  return own.length === 0 ? `limit ${threshold}` : `limit ${threshold} over all states; ${own.join(', ')}`;
}

function report(answer: Explanation): string {
  const { file, model, score, anomalous, base, features, nearest, diagnosis, sentence } = answer;
  const lines = [
    `${file}: ${anomalous ? 'ANOMALOUS' : 'normal'}, ${model} gives ${score.toPrecision(4)} (${limitText(answer)})`,
    sentence,
    '',
    `from the usual ${base.toPrecision(4)} to ${score.toPrecision(4)} by`,
    ...features
      .slice(0, MOST_LINES)
      .map(
        ({ feature, value, contribution }) =>
          `  ${feature.padEnd(28)} ${value.toPrecision(5).padStart(12)}  ${contribution >= 0 ? '+' : ''}${contribution.toPrecision(3)}`,
      ),
  ];
  if (nearest.length > 0)
    lines.push(
      '',
      'nearest known cases',
      ...nearest.map((of) => `  ${of.label.padEnd(16)} ${of.file}  (distance ${of.distance.toFixed(2)})`),
    );
  lines.push(
    '',
    `physics: ${diagnosis.fault} (confidence ${(100 * diagnosis.confidence).toFixed(0)} %)`,
    diagnosis.sentence,
  );
  return `${lines.join('\n')}\n`;
}
