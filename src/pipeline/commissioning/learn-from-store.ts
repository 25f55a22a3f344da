import { formatDuration } from '../../base/duration.js';
import { SmEdgeError } from '../../base/errors.js';
import type { FeatureVector } from '../../features/spec.js';
import type { MachineSize } from '../../features/zones.js';
import { commonFeatures } from '../../scoring/learning/scaler.js';
import { LEAST_ROWS } from '../../scoring/learning/train-detector.js';
import { pointParts } from '../../signals/point.js';
import type { StoredHistory } from '../../storage/history.js';
import { parseSignal, signalKey } from '../live/signal-document.js';
import { type Learned, type LearnOptions, learn } from '../recordings/training.js';
import { Checkpoint } from './checkpoint.js';
import { type HealthyTable, healthyTable, type LeftOut, type StateOf } from './healthy-table.js';
import { OWN_DATA_TERMS } from './model-name.js';

export interface StoreLearning {
  readonly point: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  readonly size?: MachineSize;
  /** A person says that the machine is healthy. */
  readonly vouched: boolean;
  readonly name: string;
  readonly version: string;
  readonly parentVersion?: string;
  readonly falseAlarmIntervalMs: number;
  /** Healthy time that is wanted at least; one that has less is refused. */
  readonly leastHealthyMs: number;
  readonly gatewayId: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Share of the rows, the last ones, that is held out of the training. */
  readonly heldOut?: number;
  /** File in which finished trials are kept. */
  readonly checkpoint: string;
}

export interface LearningHooks {
  readonly stateOf: StateOf;
  readonly onRead?: (rows: number) => void;
  readonly onTrial?: LearnOptions['onTrial'];
}

export interface HeldOutRow {
  readonly features: FeatureVector;
  /** Operating state. */
  readonly state: string;
}

/** A model learned from a store, and what it was learned from. */
export interface LearnedFromStore extends Learned {
  readonly table: HealthyTable;
  readonly learnedRows: readonly FeatureVector[];
  /** Healthy rows behind those that were learned. */
  readonly heldOut: readonly HeldOutRow[];
}

/** Twice the same data give the same model. */
export const LEARNING_SEED = 20816;
/** Share of the windows in zone D above which a machine is not taken for healthy. */
const MOST_IN_ZONE_D = 0.05;

/**
 * Learns the healthy hours of a point. Trials that were finished before a stop are not run again.
 * @throws SmEdgeError `TRAINING_TOO_FEW` with what was left out; `MACHINE_NOT_HEALTHY` where the vibration is in zone D of
 * ISO 20816-3 or a confirmed anomaly named a fault, and nobody vouches for the machine
 */
export async function learnFromStore(
  history: StoredHistory,
  learning: StoreLearning,
  hooks: LearningHooks,
): Promise<LearnedFromStore> {
  const { point, size } = learning;
  const table = healthyTable(history, {
    ...learning,
    stateOf: hooks.stateOf,
    ...(size === undefined ? {} : { size }),
    ...(hooks.onRead === undefined ? {} : { onRead: hooks.onRead }),
  });
  requireEnough(table, learning);
  if (!learning.vouched) requireHealthy(table, learning);
  const later = laterOf(table.states, learning.heldOut ?? 0);
  const isLearned = (_: unknown, i: number) => !later.has(i);
  const rows = table.rows.filter(isLearned);
  const states = table.states.filter(isLearned);
  const checkpoint = new Checkpoint(
    learning.checkpoint,
    rows.map((row, i) => [states[i], row]),
  );
  const signal = parseSignal(history.document(signalKey(point)));
  const unit = signal?.unit ?? history.points().find(({ name }) => name === point)?.unit;
  const learned = await learn(
    {
      rows,
      states,
      quantity: signal?.quantity ?? pointParts(point).quantity,
      ...(unit === undefined || unit === '' ? {} : { unit }),
      ...(signal === undefined
        ? {}
        : { sampleRateHz: signal.sampleRateHz, blockSamples: signal.blockSamples }),
    },
    {
      name: learning.name,
      version: learning.version,
      falseAlarmIntervalMs: learning.falseAlarmIntervalMs,
      windowIntervalMs: table.intervalMs,
      seed: LEARNING_SEED,
      data: describe(table, learning),
      terms: OWN_DATA_TERMS,
      createdAt: learning.createdAt,
      ...(learning.parentVersion === undefined ? {} : { parentVersion: learning.parentVersion }),
      finished: await checkpoint.read(),
      onTrial: async (trial, done, total) => {
        await checkpoint.add(trial);
        await hooks.onTrial?.(trial, done, total);
      },
    },
  );
  await checkpoint.remove();
  return {
    ...learned,
    table,
    learnedRows: rows,
    heldOut: [...later].map((i) => ({ features: table.rows[i]!, state: table.states[i]! })),
  };
}

/** The last rows of each operating state: a duty of the last hours is then learned too, and one of the first compared. */
function laterOf(states: readonly string[], share: number): ReadonlySet<number> {
  const later = new Set<number>();
  if (share <= 0) return later;
  const byState = new Map<string, number[]>();
  states.forEach((state, i) => {
    const known = byState.get(state);
    if (known === undefined) byState.set(state, [i]);
    else known.push(i);
  });
  for (const rows of byState.values())
    for (const i of rows.slice(Math.round(rows.length * (1 - share)))) later.add(i);
  return new Set([...later].sort((a, b) => a - b));
}

const sumOf = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((sum, value) => sum + value, 0);

const REASONS: Readonly<Record<LeftOut, string>> = {
  alarm: 'an alarm stood',
  'true-alarm': 'a true alarm stood',
  reported: 'somebody reported a fault',
  anomaly: 'a confirmed anomaly stood',
  maintenance: 'somebody worked on the machine',
  state: 'the machine stood still or ran up',
};

/** What was left out, in words; empty where nothing was. */
export const leftOutText = ({ leftOut }: Pick<HealthyTable, 'leftOut'>): string =>
  Object.entries(leftOut)
    .filter(([, windows]) => windows > 0)
    .map(([reason, windows]) => `${windows} windows since ${REASONS[reason as LeftOut]}`)
    .join(', ');

function requireEnough(table: HealthyTable, { point, leastHealthyMs }: StoreLearning): void {
  const { rows, windows, healthyMs } = table;
  const haveMs = sumOf(healthyMs);
  const left = leftOutText(table);
  const without = left === '' ? '' : `; left out: ${left}`;
  if (rows.length < LEAST_ROWS || commonFeatures(rows).length === 0)
    throw new SmEdgeError(
      'TRAINING_TOO_FEW',
      `the store has ${windows} healthy windows of ${point}, ${LEAST_ROWS} are the least${without}`,
      { hint: 'Let the machine run longer in good health; label false alarms: "sm-edge alarms label".' },
    );
  if (haveMs < leastHealthyMs)
    throw new SmEdgeError(
      'TRAINING_TOO_FEW',
      `${formatDuration(haveMs)} of healthy running at ${point} are less than ${formatDuration(leastHealthyMs)}${without}`,
      { hint: 'Let the machine run longer in good health, or ask for less with --hours.' },
    );
}

/** @throws SmEdgeError `MACHINE_NOT_HEALTHY` */
function requireHealthy({ zones, troubles }: HealthyTable, { point, fromMs, toMs }: StoreLearning): void {
  const hint =
    'Have the machine looked at. If it is meant to be so, say so: --vouch, or "sm-edge commission accept".';
  if (zones.d > MOST_IN_ZONE_D)
    throw new SmEdgeError(
      'MACHINE_NOT_HEALTHY',
      `${Math.round(100 * zones.d)} % of the windows of ${point} are in zone D of ISO 20816-3: this is no healthy machine`,
      { hint },
    );
  const fault = troubles.anomalies.find(
    (anomaly) =>
      anomaly.point === point &&
      anomaly.timeMs >= fromMs &&
      anomaly.timeMs < toMs &&
      anomaly.fault !== undefined &&
      anomaly.fault !== 'normal' &&
      anomaly.fault !== 'unknown',
  );
  if (fault !== undefined)
    throw new SmEdgeError(
      'MACHINE_NOT_HEALTHY',
      `the diagnosis of ${new Date(fault.timeMs).toISOString()} at ${point} says ${fault.fault}: this is no healthy machine`,
      { hint },
    );
}

function describe({ windows, rows, healthyMs }: HealthyTable, learning: StoreLearning): string {
  const { gatewayId, point, fromMs, toMs } = learning;
  const day = (ms: number) => new Date(ms).toISOString();
  const states = Object.entries(healthyMs)
    .map(([state, ms]) => `${state} ${formatDuration(ms)}`)
    .join(', ');
  const span = Number.isFinite(fromMs) ? ` from ${day(fromMs)} to ${day(toMs)}` : ` until ${day(toMs)}`;
  return `${rows.length} of ${windows} healthy windows of ${point} at gateway ${gatewayId}${span}; by operating state: ${states}`;
}
