import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { systemClock } from '../base/clock.js';
import { parseDurationMs } from '../base/duration.js';
import { SmEdgeError } from '../base/errors.js';
import { healthyRows, type Learned, learn } from '../pipeline/training.js';
import { DETECTOR_KINDS } from '../scoring/learning/detectors/detector.js';
import type { Trial } from '../scoring/learning/train-detector.js';
import { modelName, modelVersion } from '../scoring/manifest.js';
import { quarantine } from '../scoring/quarantine.js';
import { openRecordingSet } from '../signals/recording-set.js';
import type { RegisterVerb } from './context.js';
import { EXIT, Progress, reportFailure, write } from './output.js';

interface TrainOptions {
  readonly point?: string;
  readonly name: string;
  readonly modelVersion: string;
  readonly out: string;
  readonly falseAlarm: string;
  readonly json?: boolean;
}

const SEED = 20816;

/** `sm-edge train`: a model of a healthy point, learned here, as a standard ONNX file with its manifest. */
export const register: RegisterVerb = (program, context, exit) => {
  program
    .command('train')
    .description('learns the healthy machine from recordings and writes a model (ONNX) for it')
    .argument('<dir>', 'folder with manifest.json (recording-set/1); recordings labelled normal are learned')
    .option('--point <point>', 'the point to learn, where the set has several')
    .option('--name <name>', 'name of the model', 'learned')
    .option('--model-version <version>', 'version of the model', '1')
    .option('--out <folder>', 'models folder to write NAME/VERSION into', 'models-learned')
    .option('--false-alarm <interval>', 'mean time between false alarms of the healthy machine', '30d')
    .option('--json', 'one JSON document on stdout')
    .action(async (dir: string, options: TrainOptions) => {
      try {
        const { learned, target, rows } = await run(dir, options);
        const { manifest, detector, trials } = learned;
        const answer = {
          model: `${manifest.name}/${manifest.version}`,
          folder: target,
          rows,
          features: manifest.inputs.features.length,
          detector,
          trials,
          falseAlarmProbability: manifest.threshold.falseAlarmProbability,
        };
        await write(context.out, options.json ? `${JSON.stringify(answer)}\n` : report(answer));
        exit(EXIT.done);
      } catch (thrown) {
        exit(await reportFailure(context, options.json === true, thrown));
      }
    });

  async function run(dir: string, options: TrainOptions) {
    const name = checked(modelName(), '--name', options.name);
    const version = checked(modelVersion(), '--model-version', options.modelVersion);
    const falseAlarmIntervalMs = parseDurationMs(options.falseAlarm);
    if (falseAlarmIntervalMs === undefined || falseAlarmIntervalMs <= 0)
      throw new SmEdgeError('USAGE', `"${options.falseAlarm}" is no duration`, {
        hint: 'Write --false-alarm 30d.',
      });
    const target = join(options.out, name, version);
    const set = await openRecordingSet(dir);
    const progress = new Progress(context, 'train', set.manifest.recordings.length + DETECTOR_KINDS.length);
    try {
      const rows = await healthyRows(set, options.point, (done, _total, file) => progress.update(done, file));
      const { point, files, blockSamples, sampleRateHz } = rows;
      const checkpoint = new Checkpoint(join(options.out, '.training', `${name}-${version}.json`), rows.rows);
      const learned = await learn(rows, {
        name,
        version,
        falseAlarmIntervalMs,
        windowIntervalMs: (blockSamples * 1000) / sampleRateHz,
        seed: SEED,
        data: `${rows.rows.length} windows of ${files} healthy recordings of ${point} in the set ${set.manifest.name}`,
        terms: set.manifest.terms ?? 'as stated by the owner of the recordings',
        createdAt: new Date(systemClock.nowMs()).toISOString(),
        finished: await checkpoint.read(),
        onTrial: (trial, done) => {
          progress.update(set.manifest.recordings.length + done, trial.kind);
          return checkpoint.add(trial);
        },
      });
      await store(target, learned);
      await checkpoint.remove();
      return { learned, target, rows: rows.rows.length };
    } finally {
      progress.end();
    }
  }
};

function checked(schema: z.ZodType<string>, option: string, value: string): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SmEdgeError('USAGE', `${option} "${value}": ${parsed.error.issues[0]?.message}`);
}

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

const checkpointSchema = z.strictObject({
  rows: z.string(),
  trials: z.array(
    z.strictObject({ kind: z.enum(DETECTOR_KINDS), heldOut: z.array(z.number()), detected: z.number() }),
  ),
});

/** Trials that are done, so that a training that was stopped goes on where it was; of other rows they count for nothing. */
class Checkpoint {
  readonly #path: string;
  readonly #rows: string;
  readonly #trials: Trial[] = [];

  constructor(path: string, rows: readonly object[]) {
    this.#path = path;
    this.#rows = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
  }

  async read(): Promise<readonly Trial[]> {
    const text = await readFile(this.#path, 'utf8').catch(() => undefined);
    if (text === undefined) return [];
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      // Stopped in the middle of a write: nothing is lost but time.
      return [];
    }
    const parsed = checkpointSchema.safeParse(document);
    return parsed.success && parsed.data.rows === this.#rows ? parsed.data.trials : [];
  }

  async add(trial: Trial): Promise<void> {
    this.#trials.push(trial);
    await mkdir(join(this.#path, '..'), { recursive: true });
    await writeFile(this.#path, JSON.stringify({ rows: this.#rows, trials: this.#trials }));
  }

  remove(): Promise<void> {
    return rm(join(this.#path, '..'), { recursive: true, force: true });
  }
}

function report(answer: {
  readonly model: string;
  readonly folder: string;
  readonly rows: number;
  readonly features: number;
  readonly detector: string;
  readonly trials: Learned['trials'];
}): string {
  const { model, folder, rows, features, detector, trials } = answer;
  return [
    `${model}: learned from ${rows} healthy windows of ${features} features`,
    '',
    'injected faults found at 1 % false alarms, in cross-validation',
    ...trials.map(
      (trial) =>
        `  ${trial.detector.padEnd(18)} ${(100 * trial.detected).toFixed(1).padStart(5)} %${trial.detector === detector ? '  chosen' : ''}`,
    ),
    '',
    `written to ${folder}; check it with: sm-edge models verify --dir ${join(folder, '..', '..')}`,
    '',
  ].join('\n');
}
