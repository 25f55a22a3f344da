import { SmEdgeError } from '../../base/errors.js';
import type { FeatureVector } from '../../features/spec.js';
import type { RecordingEntry, RecordingSet } from '../../signals/recording-set.js';
import { leftOutText } from '../../signals/signal-fault.js';
import { isNormal } from '../evaluation/fit-rule.js';
import { statesOfSights } from '../evaluation/population-states.js';
import { type WindowsOfRecording, windowsOf } from '../evaluation/sight.js';
import type { MachineRegistry } from '../machines/machines.js';
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
  /** Windows left out by the state that they were in, such as stopped, and by what was wrong with their signal. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** What is odd about the recordings. */
  readonly doubts: readonly string[];
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
  if (points.length !== 1) throw noOnePoint(set, points, point);
  const machines = options.machines ?? machinesOfSet(set);
  // One length for all: that of the fastest, since the nameplate of a gateway tells the rated speed.
  const speeds = healthy.flatMap(({ speedRpm }) => speedRpm ?? []);
  const fastestRpm = speeds.length === 0 ? undefined : Math.max(...speeds);
  const analysis = new RecordingAnalysis(machines, options.machines !== undefined, fastestRpm);
  const recordings: WindowsOfRecording[] = [];
  const kinds = new Map<string, Pick<TrainingRows, 'sampleRateHz' | 'unit' | 'quantity' | 'blockSamples'>>();
  /** A file of each kind. */
  const examples = new Map<string, string>();
  try {
    for (const [index, entry] of healthy.entries()) {
      onProgress?.(index, healthy.length, entry.file);
      const recording = await set.readRecording(entry);
      const context = analysis.contextOf(recording);
      for (const block of recording.blocks) {
        const spec = analysis.specOf(recording, context, block);
        const { sampleRateHz, unit, quantity, blockLength: blockSamples } = spec;
        const kind = { sampleRateHz, unit, quantity, blockSamples };
        const name = `${sampleRateHz} Hz, ${unit}, blocks of ${blockSamples}`;
        if (blockSamples === 0) continue;
        kinds.set(name, kind);
        if (!examples.has(name)) examples.set(name, entry.file);
      }
      recordings.push(await windowsOf(recording, analysis));
    }
  } finally {
    analysis.close();
  }
  const withoutSignal: Record<string, number> = {};
  for (const { leftOut } of recordings)
    for (const [fault, windows] of Object.entries(leftOut))
      withoutSignal[fault] = (withoutSignal[fault] ?? 0) + windows;
  if (recordings.every(({ windows }) => windows.length === 0))
    throw new SmEdgeError(
      'TRAINING_SIGNAL',
      `no healthy recording of ${points[0]} holds a signal: ${leftOutText(withoutSignal)}`,
      {
        hint: 'Look at the recordings: a sensor that is torn off records a flat line; check file and fullScale.',
      },
    );
  if (kinds.size !== 1)
    throw new SmEdgeError(
      'TRAINING_POINT',
      `the recordings of ${points[0]} are of several kinds: ${[...examples].map(([name, file]) => `${name} (${file})`).join('; ')}`,
      {
        hint: 'A model is for one sample rate, unit and block length: make a set of one kind.',
      },
    );
  const told = { point: points[0]!, ...[...kinds.values()][0]!, files: healthy.length };
  const { leftOut, ...steady } = inSteadyStates(recordings, await RecordedStates.of(set, machines));
  const doubts = recordings.flatMap((of) => of.doubts);
  return { ...told, ...steady, leftOut: { ...leftOut, ...withoutSignal }, doubts };
}

function healthyEntries(entries: readonly RecordingEntry[], point: string | undefined): RecordingEntry[] {
  const trainSplit = entries.some(({ split }) => split === 'train');
  return entries.filter(
    (entry) =>
      (point === undefined || entry.point === point) &&
      (trainSplit ? entry.split === 'train' && isNormal(entry.label ?? 'normal') : isNormal(entry.label)),
  );
}

function noOnePoint(
  { manifest }: RecordingSet,
  points: readonly string[],
  wanted: string | undefined,
): SmEdgeError {
  const { recordings } = manifest;
  const known = [...new Set(recordings.map((of) => of.point))].slice(0, 20).join(', ');
  const several =
    points.length > 1 || (wanted !== undefined && !recordings.some((of) => of.point === wanted));
  if (recordings.length === 0)
    return new SmEdgeError('TRAINING_POINT', 'the set has no recording, only tables', {
      hint: 'A model is learned from waveforms (recordings in manifest.json); "sm-edge evaluate" judges tables.',
    });
  if (several)
    return new SmEdgeError(
      'TRAINING_POINT',
      points.length > 1 ? 'the set has several points' : `the set has no recording of ${wanted}`,
      { hint: `Name one with --point: ${known}` },
    );
  const labels = [...new Set(recordings.map(({ label }) => label ?? 'none'))].slice(0, 8).join(', ');
  return new SmEdgeError(
    'TRAINING_POINT',
    `the set has no recording labelled normal to learn from${wanted === undefined ? '' : ` of ${wanted}`} (its labels: ${labels})`,
    { hint: 'Label what is healthy "normal" in manifest.json, or give it "split": "train".' },
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
      `no healthy window is of a machine that runs steadily: ${leftOutText(leftOut)}`,
      {
        hint: 'Check the states of the machine (manifest.json or the config) against the speed or load in the recordings.',
      },
    );
  return { rows, states: names, leftOut };
}
