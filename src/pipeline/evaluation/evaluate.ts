import { SmEdgeError } from '../../base/errors.js';
import { POPULATION_OPTIONS } from '../../scoring/learning/population.js';
import type { RecordingEntry, RecordingSet, TableEntry } from '../../signals/recording-set.js';
import { MachineRegistry } from '../machines.js';
import { RecordingAnalysis } from '../recording-windows.js';
import type { FitRule } from './fit-rule.js';
import { evaluateLife, LEAST_SNAPSHOTS } from './lives.js';
import { evaluatePopulation, type Sight, sightOf } from './populations.js';
import { combine, type Evaluation, type EvaluationPart } from './result.js';
import { evaluateTable, readSeries } from './tables.js';

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
 * - Other recordings are compared with the healthy ones of the same point and sample rate.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { set, fit, joinMs = 0, only = () => true, onProgress } = options;
  const recordings = set.manifest.recordings.filter(({ file, point }) => only(file, point));
  const tables = set.manifest.tables.filter(({ file }) => only(file, undefined));
  const total = recordings.length + tables.length;
  if (total === 0)
    throw new SmEdgeError('EVALUATION_EMPTY', 'nothing to evaluate: no recording and no table is left', {
      hint: 'Check manifest.json and --only.',
    });
  let done = 0;
  const announce = (file: string) => onProgress?.(done++, total, file);
  const analysis = new RecordingAnalysis(
    options.machines ?? new MachineRegistry([]),
    options.machines !== undefined,
  );
  try {
    const parts = [
      ...(await evaluateRecordings(options, recordings, analysis, announce)),
      ...(await evaluateTables(set, tables, fit, joinMs, announce)),
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
  announce: (file: string) => void,
): Promise<EvaluationPart[]> {
  const parts: EvaluationPart[] = [];
  const groups = new Map<string, Sight[]>();
  for (const entry of entries) {
    announce(entry.file);
    const recording = await set.readRecording(entry);
    if (recording.blocks.length >= LEAST_SNAPSHOTS) {
      parts.push(await evaluateLife(recording, analysis, fit));
      continue;
    }
    const sight = await sightOf(recording, analysis);
    groups.set(sight.group, [...(groups.get(sight.group) ?? []), sight]);
  }
  for (const sights of groups.values())
    parts.push(evaluatePopulation(sights, fit, { ...POPULATION_OPTIONS, ignoreLevel }));
  return parts;
}

async function evaluateTables(
  set: RecordingSet,
  entries: readonly TableEntry[],
  fit: FitRule,
  joinMs: number,
  announce: (file: string) => void,
): Promise<EvaluationPart[]> {
  const parts: EvaluationPart[] = [];
  // Rows of the split `train`, by the points that they hold.
  const learned = new Map<string, (readonly number[])[]>();
  const key = (entry: TableEntry) => entry.points.map(({ point }) => point).join();
  const training = fit === 'train' ? entries.filter(({ split }) => split === 'train') : [];
  for (const entry of training) {
    announce(entry.file);
    const { rows } = await readSeries(set, entry);
    learned.set(key(entry), [...(learned.get(key(entry)) ?? []), ...rows]);
  }
  for (const entry of entries.filter((table) => !training.includes(table))) {
    announce(entry.file);
    parts.push(evaluateTable(await readSeries(set, entry), fit, joinMs, learned.get(key(entry))));
  }
  return parts;
}
