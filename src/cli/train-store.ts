import { join } from 'node:path';
import { systemClock } from '../base/clock.js';
import { SmEdgeError } from '../base/errors.js';
import { learnFromStore, leftOutText } from '../pipeline/commissioning/learn-from-store.js';
import { modelNameOf } from '../pipeline/commissioning/model-name.js';
import { runningStates } from '../pipeline/commissioning/running.js';
import { MachineRegistry } from '../pipeline/machines/machines.js';
import type { Learned } from '../pipeline/recordings/training.js';
import { DETECTOR_KINDS } from '../scoring/learning/detectors/detector.js';
import { modelName } from '../scoring/manifest.js';
import { pointName } from '../signals/point.js';
import { StoredHistory } from '../storage/history.js';
import { checked, numberOption, timeOption } from './options.js';
import { type CliContext, Progress } from './output.js';
import { type StoreOptions, storeOf } from './store-options.js';

export interface TrainStoreOptions extends StoreOptions {
  readonly point?: string;
  readonly name?: string | undefined;
  readonly from?: string;
  readonly to?: string;
  readonly hours: string;
  readonly vouch?: boolean;
  readonly out: string;
  readonly version: string;
  readonly falseAlarmIntervalMs: number;
}

/** Where the trials of a training that may be stopped are kept. */
export const checkpointOf = (out: string, name: string, version: string): string =>
  join(out, '.training', `${name}-${version}.json`);

const HOUR_MS = 3_600_000;
/** Windows between two steps of the bar while the store is read. */
const READ_STEP = 20_000;

/** Learns a point from the store of a gateway, which may run meanwhile: the store is only read. */
export async function trainFromStore(
  context: CliContext,
  options: TrainStoreOptions,
): Promise<{ learned: Learned; rows: number; leftOut: string; doubts: readonly string[] }> {
  if (options.point === undefined)
    throw new SmEdgeError('USAGE', 'which point?', {
      hint: 'name it: --point pump-1.bearing-de.acceleration',
    });
  const point = checked(pointName(), '--point', options.point);
  const { database, gatewayId, loaded } = storeOf(options, context);
  const name = checked(modelName(), '--name', options.name ?? modelNameOf(point));
  const nowMs = systemClock.nowMs();
  const { size } = new MachineRegistry(loaded?.machines ?? []).contextOf(point);
  const progress = new Progress(context, 'train', DETECTOR_KINDS.length + 1);
  const history = StoredHistory.open(database);
  try {
    const fromMs =
      options.from === undefined ? Number.NEGATIVE_INFINITY : timeOption('--from', options.from, nowMs);
    const toMs = options.to === undefined ? nowMs : timeOption('--to', options.to, nowMs);
    const learned = await learnFromStore(
      history,
      {
        point,
        name,
        version: options.version,
        fromMs,
        toMs,
        vouched: options.vouch === true,
        falseAlarmIntervalMs: options.falseAlarmIntervalMs,
        leastHealthyMs: numberOption('--hours', options.hours) * HOUR_MS,
        gatewayId,
        createdAt: new Date(nowMs).toISOString(),
        checkpoint: checkpointOf(options.out, name, options.version),
        ...(size === undefined ? {} : { size }),
      },
      {
        stateOf: runningStates(history, point, fromMs, toMs),
        onRead: (rows) => progress.update(rows / (rows + READ_STEP), `${rows} windows read`),
        onTrial: (trial, done) => progress.update(1 + done, trial.kind),
      },
    );
    return { learned, rows: learned.table.rows.length, leftOut: leftOutText(learned.table), doubts: [] };
  } finally {
    progress.end();
    history.close();
  }
}
