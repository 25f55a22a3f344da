import { SmEdgeError } from '../base/errors.js';
import type { FeatureVector } from '../features/spec.js';
import type { RecordingEntry, RecordingSet } from '../signals/recording-set.js';
import { isNormal } from './evaluation/fit-rule.js';
import { statesOfSights } from './evaluation/population-states.js';
import { type WindowsOfRecording, windowsOf } from './evaluation/sight.js';
import type { MachineRegistry } from './machines.js';
import { machinesOfSet, RecordedStates } from './recorded-states.js';
import { RecordingAnalysis } from './recording-windows.js';

/** Healthy windows of one point, and what they are windows of. */
export interface TrainingRows {
  readonly point: string;
  readonly rows: readonly FeatureVector[];
  readonly quantity: string;
  readonly unit: string;
  readonly sampleRateHz: number;
  readonly blockSamples: number;
  readonly files: number;
  /** Operating state of each row; missing where the machine has but one. */
  readonly states?: readonly string[];
  /** Windows left out by the state that they were in, such as stopped. */
  readonly leftOut: Readonly<Record<string, number>>;
}

export interface HealthyRowsOptions {
  /** To learn; the only one of the set where missing. */
  readonly point?: string | undefined;
  /** The machines of a config; those of the manifest where missing. */
  readonly machines?: MachineRegistry;
  readonly onProgress?: (done: number, total: number, file: string) => void;
}

/**
 * Windows of the healthy recordings of a set: labelled normal, or of the split `train` where the manifest has one. Where
 * the machine has operating states each window has its own, and those are left out in which it stood still or ran up.
 * Throws `TRAINING_POINT` where the set has several points, or recordings of several rates, or none that is healthy;
 * `TRAINING_STATES` where no window is of a steady state.
 */
export async function healthyRows(set: RecordingSet, options: HealthyRowsOptions): Promise<TrainingRows> {
  const { point, onProgress } = options;
  const healthy = healthyEntries(set.manifest.recordings, point);
  const points = [...new Set(healthy.map((entry) => entry.point))];
  if (points.length !== 1) throw noOnePoint(set, points);
  const machines = options.machines ?? machinesOfSet(set);
  // One length for all: that of the fastest, since the nameplate of a gateway tells the rated speed.
  const speeds = healthy.flatMap(({ speedRpm }) => speedRpm ?? []);
  const fastestRpm = speeds.length === 0 ? undefined : Math.max(...speeds);
  const analysis = new RecordingAnalysis(machines, options.machines !== undefined, fastestRpm);
  const recordings: WindowsOfRecording[] = [];
  const kinds = new Map<string, Pick<TrainingRows, 'sampleRateHz' | 'unit' | 'quantity' | 'blockSamples'>>();
  try {
    for (const [index, entry] of healthy.entries()) {
      onProgress?.(index, healthy.length, entry.file);
      const recording = await set.readRecording(entry);
      const context = analysis.contextOf(recording);
      for (const block of recording.blocks) {
        const spec = analysis.specOf(recording, context, block);
        const { sampleRateHz, unit, quantity, blockLength: blockSamples } = spec;
        const kind = { sampleRateHz, unit, quantity, blockSamples };
        kinds.set(`${sampleRateHz} Hz, ${unit}, blocks of ${blockSamples}`, kind);
      }
      recordings.push(await windowsOf(recording, analysis));
    }
  } finally {
    analysis.close();
  }
  if (kinds.size !== 1)
    throw new SmEdgeError(
      'TRAINING_POINT',
      `its recordings are of several kinds: ${[...kinds.keys()].join('; ')}`,
      {
        hint: 'A model is for one sample rate, unit and block length: make a set of one kind.',
      },
    );
  const told = { point: points[0]!, ...[...kinds.values()][0]!, files: healthy.length };
  return { ...told, ...inSteadyStates(recordings, await RecordedStates.of(set, machines)) };
}

function healthyEntries(entries: readonly RecordingEntry[], point: string | undefined): RecordingEntry[] {
  const trainSplit = entries.some(({ split }) => split === 'train');
  return entries.filter(
    (entry) =>
      (point === undefined || entry.point === point) &&
      (trainSplit ? entry.split === 'train' && isNormal(entry.label ?? 'normal') : isNormal(entry.label)),
  );
}

function noOnePoint(set: RecordingSet, points: readonly string[]): SmEdgeError {
  return new SmEdgeError(
    'TRAINING_POINT',
    points.length === 0
      ? 'the set has no recording labelled normal to learn from'
      : 'the set has several points',
    {
      hint: `Name one with --point: ${[...new Set(set.manifest.recordings.map((of) => of.point))].slice(0, 20).join(', ')}`,
    },
  );
}

/** The windows of steady states, and how many of the others there were. */
function inSteadyStates(
  recordings: readonly WindowsOfRecording[],
  recorded: RecordedStates,
): Pick<TrainingRows, 'rows' | 'states' | 'leftOut'> {
  const states = statesOfSights(recordings, () => true, recorded);
  if (states === undefined) return { rows: recordings.flatMap(({ windows }) => windows), leftOut: {} };
  const rows: FeatureVector[] = [];
  const names: string[] = [];
  const leftOut: Record<string, number> = {};
  for (const recording of recordings)
    recording.windows.forEach((window, i) => {
      const { kind, name } = states.get(recording)![i]!;
      if (kind !== 'steady') {
        leftOut[name] = (leftOut[name] ?? 0) + 1;
        return;
      }
      rows.push(window);
      names.push(name);
    });
  if (rows.length === 0)
    throw new SmEdgeError(
      'TRAINING_STATES',
      `no healthy window is of a machine that runs steadily: ${leftOutByState(leftOut)}`,
      {
        hint: 'Check the states of the machine (manifest.json or the config) against the speed or load in the recordings.',
      },
    );
  return { rows, states: names, leftOut };
}

/** How many windows were left out in which state, in words; empty where none was. */
export const leftOutByState = (leftOut: Readonly<Record<string, number>>): string =>
  Object.entries(leftOut)
    .map(([state, windows]) => `${windows} windows (${state})`)
    .join(', ');
