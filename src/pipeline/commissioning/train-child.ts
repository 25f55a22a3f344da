import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { type ErrorRecord, toErrorRecord } from '../../base/errors.js';
import type { FeatureVector } from '../../features/spec.js';
import { FEATURE_BASELINE } from '../../scoring/baseline.js';
import { classifierModel } from '../../scoring/learning/classifier-model.js';
import { fitFaultClassifier } from '../../scoring/learning/fault-classifier.js';
import type { LearnedFrom } from '../../scoring/learning/learned-from.js';
import { commonFeatures, fitScaler, narrowed, type Scaler } from '../../scoring/learning/scaler.js';
import type { ModelManifest } from '../../scoring/manifest.js';
import { readModelFile } from '../../scoring/runtime.js';
import { StateBaselines } from '../../scoring/state-baselines.js';
import { StoredHistory } from '../../storage/history.js';
import { type HealthyRecord, scaledBy } from '../cases/case-record.js';
import type { LearnedState } from '../recordings/training.js';
import { type Comparison, compare } from './guard.js';
import type { HealthyTable } from './healthy-table.js';
import { learnFromStore, leftOutText, type StoreLearning } from './learn-from-store.js';
import { runningStates } from './running.js';

/** What the process is asked to learn. */
export interface TrainRequest extends StoreLearning {
  readonly database: string;
  /** Empty folder for model.onnx and manifest.json. */
  readonly to: string;
  /** The model in use, which the new one has to be as good as; missing where there is none to compare with. */
  readonly against?: { readonly path: string; readonly manifest: ModelManifest };
}

/** What the process is asked to name faults by. */
export interface FaultRequest {
  readonly healthy: HealthyRecord;
  /** Each with what is healthy at its own point. */
  readonly cases: readonly {
    readonly label: string;
    readonly features: FeatureVector;
    readonly examples: readonly FeatureVector[];
    readonly scaler: HealthyRecord['scaler'];
  }[];
  readonly from: LearnedFrom;
  readonly to: string;
}

export interface FaultResult {
  readonly labels: readonly string[];
  readonly accuracy: number;
  readonly cases: Readonly<Record<string, number>>;
}

/** What was learned, as it is told. */
export interface TrainResult {
  /** With the model in use, where there was one to compare with. */
  readonly comparison?: Comparison;
  readonly healthy: HealthyRecord;
  /** What is usual in each operating state, as the assessor keeps it. */
  readonly baselines: unknown;
  readonly rows: number;
  readonly windows: number;
  readonly healthyMs: Readonly<Record<string, number>>;
  readonly leftOut: string;
  readonly detector: string;
  readonly trials: readonly { readonly detector: string; readonly detected: number }[];
  /** Operating states that were learned; empty where the machine has but one. */
  readonly states: readonly LearnedState[];
  readonly falseAlarmProbability: number | undefined;
}

export type ChildRequest = TrainRequest | FaultRequest;

export type ChildAnswer =
  | { readonly progress: number }
  | { readonly result: unknown }
  | { readonly error: ErrorRecord };

/** Shares of the work: reading is quick, each detector takes its turn. */
const READ_SHARE = 0.1;

/** Learns in a process of its own, of the lowest priority: acquisition goes first, and memory it lacks ends it alone. */
process.once('message', async (request: ChildRequest) => {
  const tell = (answer: ChildAnswer) => process.send?.(answer);
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Not allowed, or not Linux: it learns as it is.
  }
  try {
    const result =
      'cases' in request ? await nameFaults(request) : await train(request, (progress) => tell({ progress }));
    tell({ result });
  } catch (thrown) {
    tell({ error: toErrorRecord(thrown, 'TRAINING') });
  }
  process.disconnect?.();
});

async function train(request: TrainRequest, onProgress: (share: number) => void): Promise<TrainResult> {
  const history = StoredHistory.open(request.database);
  try {
    const { point, fromMs, toMs } = revived(request);
    const learned = await learnFromStore(history, revived(request), {
      stateOf: runningStates(history, point, fromMs, toMs),
      onTrial: (_trial, done, total) => onProgress(READ_SHARE + ((1 - READ_SHARE) * done) / (total + 1)),
    });
    const { table, model, manifest, detector, trials, states, learnedRows, heldOut } = learned;
    const { against } = request;
    const comparison =
      against === undefined
        ? undefined
        : await compare(
            { model: await readModelFile(against.path, against.manifest), manifest: against.manifest },
            learned,
            learnedRows,
            heldOut,
          );
    await writeModel(request.to, model, manifest);
    return {
      ...(comparison === undefined ? {} : { comparison }),
      healthy: healthyOf(point, table),
      baselines: baselinesOf(table),
      rows: table.rows.length,
      windows: table.windows,
      healthyMs: table.healthyMs,
      leftOut: leftOutText(table),
      detector,
      trials,
      states,
      falseAlarmProbability: manifest.threshold.falseAlarmProbability,
    };
  } finally {
    history.close();
  }
}

async function nameFaults({ healthy, cases, from, to }: FaultRequest): Promise<FaultResult> {
  const { scaler } = healthy;
  const z = (features: FeatureVector, by = scaler) => scaledBy(by, features, wanted);
  const wanted = scaler.features.filter((name) =>
    cases.every((one) => one.scaler.features.includes(name) && Number.isFinite(one.features[name])),
  );
  const own = narrowed(scaler, wanted);
  const classifier = fitFaultClassifier(
    wanted,
    cases.map((one) => ({
      label: one.label,
      z: z(one.features, one.scaler)!,
      windows: one.examples.flatMap((window) => z(window, one.scaler) ?? []),
    })),
    healthy.windows.map(({ features }) => z(features)!),
  );
  const rows = [...healthy.windows, ...cases].map(({ features }) => features);
  const { model, manifest } = classifierModel(classifier, own, rows, from);
  await writeModel(to, model, manifest);
  return { labels: classifier.labels, accuracy: classifier.accuracy, cases: classifier.cases };
}

async function writeModel(to: string, model: Uint8Array, manifest: object): Promise<void> {
  await mkdir(to, { recursive: true });
  await writeFile(join(to, 'model.onnx'), model);
  await writeFile(join(to, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Typical windows that are kept. */
const TYPICAL = 24;

function healthyOf(point: string, { rows, timesMs, states }: HealthyTable): HealthyRecord {
  const count = Math.min(TYPICAL, rows.length);
  return {
    format: 'sm-edge-healthy/1',
    point,
    scaler: asArrays(fitScaler(rows, commonFeatures(rows))),
    windows: Array.from({ length: count }, (_, i) => {
      const at = Math.floor(((i + 0.5) * rows.length) / count);
      return { timeMs: timesMs[at]!, state: states[at]!, features: { ...rows[at]! } };
    }),
  };
}

/** The same hours teach the baselines beside the model. */
function baselinesOf({ rows, states }: HealthyTable): unknown {
  const baselines = new StateBaselines(FEATURE_BASELINE);
  rows.forEach((row, i) => {
    baselines.update(row, { kind: 'steady', name: states[i]! });
  });
  return { kind: 'features', ...baselines.toJSON() };
}

const asArrays = ({ features, log, centers, scales, floors }: Scaler) => ({
  features: [...features],
  log: [...log],
  centers: Array.from(centers),
  scales: Array.from(scales),
  floors: Array.from(floors),
});

/** JSON knows no infinity. */
const revived = (request: TrainRequest): TrainRequest => ({
  ...request,
  fromMs: request.fromMs ?? Number.NEGATIVE_INFINITY,
});
