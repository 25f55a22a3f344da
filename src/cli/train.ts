import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { loadConfig } from '../config/load.js';
import { Checkpoint } from '../pipeline/commissioning/checkpoint.js';
import { LEARNING_SEED } from '../pipeline/commissioning/learn-from-store.js';
import { MachineRegistry } from '../pipeline/machines/machines.js';
import { healthyRows } from '../pipeline/recordings/healthy-recordings.js';
import { type Learned, learn } from '../pipeline/recordings/training.js';
import { DETECTOR_KINDS } from '../scoring/learning/detectors/detector.js';
import { modelName, modelVersion } from '../scoring/manifest.js';
import { featuresOf } from '../scoring/manifest-inputs.js';
import { quarantine } from '../scoring/quarantine.js';
import { openRecordingSet } from '../signals/recording-set.js';
import { leftOutText } from '../signals/signal-fault.js';
import type { RegisterVerb } from './context.js';
import { checked, durationOption } from './options.js';
import { EXIT, Progress, reportFailure, write } from './output.js';
import type { StoreOptions } from './store-options.js';
import { checkpointOf, trainFromStore } from './train-store.js';

interface TrainOptions extends StoreOptions {
  readonly point?: string;
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly hours: string;
  readonly vouch?: boolean;
  readonly modelVersion: string;
  readonly out: string;
  readonly falseAlarm: string;
}

/** `sm-edge train`: a model of a healthy point, learned here, as a standard ONNX file with its manifest. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('train')
    .description('learns the healthy machine from recordings and writes a model (ONNX) for it')
    .argument('[dir]', 'folder with manifest.json (recording-set/1); recordings labelled normal are learned')
    .option(
      '--config <file>',
      'learn from the store of the gateway with this config, also while it runs; with recordings: machines of this config',
    )
    .option('--data <folder>', 'its data folder, in place of --config')
    .option(
      '--from <time>',
      'not before: 2026-11-21T09:30 (UTC where no zone is given), or 2d for two days ago',
    )
    .option('--to <time>', 'before; now where missing')
    .option('--hours <hours>', 'healthy running time that is needed at least', '1')
    .option('--vouch', 'the machine is healthy: unlabelled alarms and its vibration level do not count')
    .option('--point <point>', 'the point to learn, where the set has several')
    .option('--name <name>', 'name of the model; "learned", or by the point of a store')
    .option('--model-version <version>', 'version of the model', '1')
    .option('--out <folder>', 'models folder to write NAME/VERSION into', 'models-learned')
    .option('--false-alarm <interval>', 'mean time between false alarms of the healthy machine', '30d')
    .option('--json', 'one JSON document on stdout')
    .action(async (dir: string | undefined, options: TrainOptions) => {
      try {
        const answer = await run(dir, options);
        await write(context.out, options.json ? `${JSON.stringify(answer)}\n` : report(answer));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function run(dir: string | undefined, options: TrainOptions) {
    const isStore = options.config !== undefined || options.data !== undefined;
    if (dir === undefined ? !isStore : options.data !== undefined)
      throw new SmEdgeError('USAGE', 'learn from what?', {
        hint: 'name a folder of recordings, or the store of a gateway: --config FILE --point POINT',
      });
    const version = checked(modelVersion(), '--model-version', options.modelVersion);
    const falseAlarmIntervalMs = durationOption('--false-alarm', options.falseAlarm);
    if (!(falseAlarmIntervalMs > 0)) throw new SmEdgeError('USAGE', '--false-alarm: more than nothing');
    const { learned, rows, leftOut, doubts } =
      dir === undefined
        ? await trainFromStore(context, { ...options, version, falseAlarmIntervalMs, name: options.name })
        : await fromRecordings(dir, options, version, falseAlarmIntervalMs);
    const { manifest, detector, trials } = learned;
    const folder = join(options.out, manifest.name, manifest.version);
    await store(folder, learned);
    return {
      model: `${manifest.name}/${manifest.version}`,
      folder,
      rows,
      features: featuresOf(manifest.inputs).length,
      detector,
      trials,
      ...(learned.states.length === 0 ? {} : { states: learned.states }),
      falseAlarmProbability: manifest.threshold.falseAlarmProbability,
      ...(leftOut === '' ? {} : { leftOut }),
      ...(doubts.length === 0 ? {} : { doubts }),
    };
  }

  async function fromRecordings(
    dir: string,
    options: TrainOptions,
    version: string,
    falseAlarmIntervalMs: number,
  ) {
    const name = checked(modelName(), '--name', options.name ?? 'learned');
    const set = await openRecordingSet(dir);
    const progress = new Progress(context, 'train', set.manifest.recordings.length + DETECTOR_KINDS.length);
    try {
      const rows = await healthyRows(set, {
        point: options.point,
        ...(options.config === undefined
          ? {}
          : { machines: new MachineRegistry(loadConfig(options.config, context.env).config.machines) }),
        onProgress: (done, _total, file) => progress.update(done, file),
      });
      const { point, files, blockSamples, sampleRateHz, states } = rows;
      const checkpoint = new Checkpoint(
        checkpointOf(options.out, name, version),
        states === undefined ? rows.rows : rows.rows.map((row, i) => [states[i], row]),
      );
      const learned = await learn(rows, {
        name,
        version,
        falseAlarmIntervalMs,
        windowIntervalMs: (blockSamples * 1000) / sampleRateHz,
        seed: LEARNING_SEED,
        data: `${rows.rows.length} windows of ${files} healthy recordings of ${point} in the set ${set.manifest.name}`,
        terms: set.manifest.terms ?? 'as stated by the owner of the recordings',
        createdAt: new Date(systemClock.nowMs()).toISOString(),
        finished: await checkpoint.read(),
        onTrial: (trial, done) => {
          progress.update(set.manifest.recordings.length + done, trial.kind);
          return checkpoint.add(trial);
        },
      });
      await checkpoint.remove();
      return { learned, rows: rows.rows.length, leftOut: leftOutText(rows.leftOut), doubts: rows.doubts };
    } finally {
      progress.end();
    }
  }
};

/** Writes both files beside the place, has the model run as a gateway would, and only then puts it there. */
async function store(target: string, { model, manifest }: Learned): Promise<void> {
  const staging = `${target}.partial`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  await writeFile(join(staging, 'model.onnx'), model);
  await writeFile(join(staging, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await quarantine(systemClock)(join(staging, 'model.onnx'), manifest);
  try {
    await rename(staging, target);
  } catch (cause) {
    await rm(staging, { recursive: true, force: true });
    throw new SmEdgeError('MODEL_EXISTS', `${target} is there already: a version never changes`, {
      hint: 'Give the next version with --model-version.',
      cause,
    });
  }
}

function report(answer: {
  readonly model: string;
  readonly folder: string;
  readonly rows: number;
  readonly features: number;
  readonly detector: string;
  readonly trials: Learned['trials'];
  readonly states?: Learned['states'];
  readonly leftOut?: string;
  readonly doubts?: readonly string[];
}): string {
  const { model, folder, rows, features, detector, trials, states = [], leftOut, doubts = [] } = answer;
  return [
    `${model}: learned from ${rows} healthy windows of ${features} features`,
    ...(leftOut === undefined ? [] : [`left out: ${leftOut}`]),
    ...doubts,
    '',
    'injected faults found at 1 % false alarms, in cross-validation',
    ...trials.map(
      (trial) =>
        `  ${trial.detector.padEnd(18)} ${(100 * trial.detected).toFixed(1).padStart(5)} %${trial.detector === detector ? '  chosen' : ''}`,
    ),
    ...(states.length === 0 ? [] : ['', 'operating states']),
    ...states.map(
      ({ state, rows: windows, threshold, thin }) =>
        `  ${state.padEnd(18)} ${String(windows).padStart(6)} windows, limit ${threshold}${thin ? ' (thin: the overall one)' : ''}`,
    ),
    '',
    `written to ${folder}; check it with: sm-edge models verify --dir ${join(folder, '..', '..')}`,
    '',
  ].join('\n');
}
