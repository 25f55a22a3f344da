import { SmEdgeError } from '../../base/errors.js';
import { POPULATION_OPTIONS } from '../../scoring/learning/population.js';
import type { RecordingEntry, RecordingSet, TableEntry } from '../../signals/recording-set.js';
import { leftOutText } from '../../signals/signal-fault.js';
import type { MachineRegistry } from '../machines/machines.js';
import { knownOf, machinesOfSet, RecordedStates } from '../recordings/recorded-states.js';
import { RecordingAnalysis } from '../recordings/recording-windows.js';
import { type FitRule, rowsToFit } from './fit-rule.js';
import { evaluateLife, LEAST_SNAPSHOTS } from './lives.js';
import { takenDown, withoutHealthy } from './one-rate.js';
import { evaluatePopulation, isLearnedBy } from './populations.js';
import { combine, type Evaluation, type EvaluationPart } from './result.js';
import { type Sight, sightOf } from './sight.js';
import { beginningOf, evaluateTable, readSeries, type TableSeries } from './tables.js';

export interface EvaluateOptions {
  readonly set: RecordingSet;
  readonly fit: FitRule;
  /** The machines of a config; those of the manifest where missing. */
  readonly machines?: MachineRegistry;
  /** Anomalous rows at most this far apart are one detection; 0 joins neighbours only. */
  readonly joinMs?: number;
  readonly ignoreLevel?: boolean;
  /** Files to evaluate; all where missing. */
  readonly only?: (file: string, point: string | undefined) => boolean;
  readonly onProgress?: (done: number, total: number, file: string) => void;
}

/**
 * How well this gateway would have done on a recording set, learning from nothing but its healthy part.
 *
 * - Tables and recordings of many snapshots run through a control chart in order of time.
 * - Other recordings are compared with the healthy ones of the same point and sample rate; where a rate has none, with
 *   those of another rate, at the lower of the two.
 * - Where the machine has operating states, each is learned and judged by itself, and what a gateway would not judge
 *   (standstill, run-up, a state of which nothing was learned) counts as not anomalous.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { set, only = () => true, onProgress } = options;
  const recordings = set.manifest.recordings.filter(({ file, point }) => only(file, point));
  const tables = set.manifest.tables.filter(({ file }) => only(file, undefined));
  const total = recordings.length + tables.length;
  if (total === 0)
    throw new SmEdgeError('EVALUATION_EMPTY', 'nothing to evaluate: no recording and no table is left', {
      hint: 'Check manifest.json and --only.',
    });
  let done = 0;
  const announce = (file: string) => onProgress?.(done++, total, file);
  const machines = options.machines ?? machinesOfSet(set);
  const recorded = await RecordedStates.of(set, machines);
  const analysis = new RecordingAnalysis(machines, options.machines !== undefined);
  try {
    const parts = [
      ...(await evaluateRecordings(options, recordings, analysis, recorded, announce)),
      ...(await evaluateTables(options, tables, recorded, announce)),
    ];
    return combine(set.manifest.name, parts);
  } finally {
    analysis.close();
  }
}

async function evaluateRecordings(
  { set, fit, ignoreLevel = false }: EvaluateOptions,
  entries: readonly RecordingEntry[],
  analysis: RecordingAnalysis,
  recorded: RecordedStates,
  announce: (file: string) => void,
): Promise<EvaluationPart[]> {
  const parts: EvaluationPart[] = [];
  const sights: Sight[] = [];
  for (const entry of entries) {
    announce(entry.file);
    const recording = await set.readRecording(entry);
    if (recording.blocks.length >= LEAST_SNAPSHOTS) {
      parts.push({ ...(await evaluateLife(recording, analysis, recorded, fit)), notes: recording.doubts });
      continue;
    }
    sights.push(await sightOf(recording, analysis));
  }
  const { comparable, notes: ofRates } = await comparableSights(set, sights, entries, fit, analysis);
  if (ofRates.length > 0) parts.push({ judged: [], detections: [], perRecording: [], notes: ofRates });
  const groups = new Map<string, Sight[]>();
  for (const sight of comparable) groups.set(sight.group, [...(groups.get(sight.group) ?? []), sight]);
  for (const sights of groups.values()) {
    const notes = sights.flatMap(({ file, leftOut, doubts }) => [
      ...doubts,
      ...(Object.keys(leftOut).length === 0 ? [] : [`${file}: left out ${leftOutText(leftOut)}`]),
    ]);
    const part = evaluatePopulation(sights, fit, { ...POPULATION_OPTIONS, ignoreLevel }, recorded);
    parts.push({ ...part, notes });
  }
  return parts;
}

/**
 * Where a point has nothing healthy at one of its sample rates, healthy recordings of a higher one are taken down to it; where
 * there are only some of a lower one, what is asked is taken down to theirs.
 */
async function comparableSights(
  set: RecordingSet,
  sights: readonly Sight[],
  entries: readonly RecordingEntry[],
  fit: FitRule,
  analysis: RecordingAnalysis,
) {
  const comparable = new Set(sights);
  const notes: string[] = [];
  for (const { sights: own, rateHz, healthy, healthyRateHz } of withoutHealthy(sights, isLearnedBy(fit))) {
    const borrowed = healthyRateHz > rateHz;
    const lowHz = Math.min(rateHz, healthyRateHz);
    let taken = 0;
    for (const sight of borrowed ? healthy : own) {
      const recording = await set.readRecording(entries.find(({ file }) => file === sight.file)!);
      const lower = takenDown(recording, lowHz);
      if (lower === undefined) continue;
      taken++;
      if (!borrowed) comparable.delete(sight);
      comparable.add({ ...(await sightOf(lower, analysis)), borrowed });
    }
    if (taken > 0)
      notes.push(
        `${own[0]!.group}: nothing is healthy at this rate; compared at ${lowHz} Hz with healthy recordings of ${healthyRateHz} Hz`,
      );
  }
  return { comparable, notes };
}

async function evaluateTables(
  { set, fit, joinMs = 0 }: EvaluateOptions,
  entries: readonly TableEntry[],
  recorded: RecordedStates,
  announce: (file: string) => void,
): Promise<EvaluationPart[]> {
  const parts: EvaluationPart[] = [];
  // Tables of the split `train`, by the points that they hold.
  const learned = new Map<string, TableSeries[]>();
  const key = (entry: TableEntry) => entry.points.map(({ point }) => point).join();
  const read = (entry: TableEntry) => {
    announce(entry.file);
    return readSeries(set, entry, recorded.tells);
  };
  const training = fit === 'train' ? entries.filter(({ split }) => split === 'train') : [];
  for (const entry of training)
    learned.set(key(entry), [...(learned.get(key(entry)) ?? []), await read(entry)]);
  for (const entry of entries.filter((table) => !training.includes(table))) {
    const { series, story, notes } = await read(entry);
    const own = learned.get(key(entry));
    const known = recorded.find(
      own?.map((of) => of.story) ?? [beginningOf(story, rowsToFit(fit, series.timesMs, series.truths))],
    );
    const states = knownOf(recorded.over(story, known));
    const rows = own && {
      rows: own.flatMap((of) => of.series.rows),
      states: states && own.flatMap((of) => recorded.over(of.story, known)),
    };
    const part = evaluateTable({ ...series, states }, fit, joinMs, rows);
    parts.push({ ...part, notes: [...notes, ...(part.notes ?? [])] });
  }
  return parts;
}
