import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { type ErrorRecord, toErrorRecord } from '../../base/errors.js';
import { StoredHistory } from '../../storage/history.js';
import { learnFromStore, leftOutText, type StoreLearning } from './learn-from-store.js';
import { runningStates } from './running.js';

/** What the process is asked to learn. */
export interface TrainRequest extends StoreLearning {
  readonly database: string;
  /** Empty folder for model.onnx and manifest.json. */
  readonly to: string;
}

/** What was learned, as it is told. */
export interface TrainResult {
  readonly rows: number;
  readonly windows: number;
  readonly healthyMs: Readonly<Record<string, number>>;
  readonly leftOut: string;
  readonly detector: string;
  readonly trials: readonly { readonly detector: string; readonly detected: number }[];
  readonly falseAlarmProbability: number | undefined;
}

export type TrainAnswer =
  | { readonly progress: number }
  | { readonly result: TrainResult }
  | { readonly error: ErrorRecord };

/** Shares of the work: reading is quick, each detector takes its turn. */
const READ_SHARE = 0.1;

/** Learns in a process of its own, of the lowest priority: acquisition goes first, and memory it lacks ends it alone. */
process.once('message', async (request: TrainRequest) => {
  const tell = (answer: TrainAnswer) => process.send?.(answer);
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Not allowed, or not Linux: it learns as it is.
  }
  try {
    tell({ result: await train(request, (progress) => tell({ progress })) });
  } catch (thrown) {
    tell({ error: toErrorRecord(thrown, 'TRAINING') });
  }
  process.disconnect?.();
});

async function train(request: TrainRequest, onProgress: (share: number) => void): Promise<TrainResult> {
  const history = StoredHistory.open(request.database);
  try {
    const { table, model, manifest, detector, trials } = await learnFromStore(history, revived(request), {
      stateOf: runningStates(history, request.point),
      onTrial: (_trial, done, total) => onProgress(READ_SHARE + ((1 - READ_SHARE) * done) / (total + 1)),
    });
    await mkdir(request.to, { recursive: true });
    await writeFile(join(request.to, 'model.onnx'), model);
    await writeFile(join(request.to, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    return {
      rows: table.rows.length,
      windows: table.windows,
      healthyMs: table.healthyMs,
      leftOut: leftOutText(table),
      detector,
      trials,
      falseAlarmProbability: manifest.threshold.falseAlarmProbability,
    };
  } finally {
    history.close();
  }
}

/** JSON knows no infinity. */
const revived = (request: TrainRequest): TrainRequest => ({
  ...request,
  fromMs: request.fromMs ?? Number.NEGATIVE_INFINITY,
});
