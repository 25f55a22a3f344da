import { z } from 'zod';
import { SmEdgeError } from '../../base/errors.js';
import type { FeatureVector } from '../../features/spec.js';
import { type DeclaredStates, declaredMeasures, type StatesConfig } from '../../scoring/states/config.js';
import { tellingRank } from '../../scoring/states/machine-states.js';
import { joinStates, type OperatingState, stateNamed, UNKNOWN } from '../../scoring/states/state.js';
import { watchedMachineSchema } from '../../scoring/watched-machine.js';
import { pointParts } from '../../signals/point.js';
import type { Reading } from '../../signals/reading.js';
import type { RecordingSet, RecordingSetManifest } from '../../signals/recording-set.js';
import { MachineRegistry } from '../machines/machines.js';
import { OperatingStates } from '../machines/operating-states.js';

/** A stretch of a recording, or a row of a table, of which the operating state is asked. Times in ms since the Unix epoch. */
export interface StateSpan {
  readonly point: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** What the recording set itself says of it. */
  readonly named?: string | undefined;
  /** Unit and features of a window: its level may tell the state. */
  readonly unit?: string;
  readonly features?: FeatureVector;
  /** Readings of a row that may tell the state. */
  readonly readings?: readonly Reading[];
}

/** Spans in order of time that belong together, and whether their times are true ones. */
export interface StateStory {
  readonly spans: readonly StateSpan[];
  readonly isDated: boolean;
  /** Speed of a recording by its manifest: it tells where a speed does, and nothing else in the set says it. */
  readonly speedRpm?: number | undefined;
}

/** States of the machines of a set: declared, or found in what may be learned from. */
export type KnownStates = Pick<MachineRegistry, 'statesOf' | 'tellersOf'>;

/** The machines of a recording set whose states its manifest declares. Throws `RECORDING_SET_FORMAT`. */
export function machinesOfSet({
  folder,
  manifest,
}: Pick<RecordingSet, 'folder' | 'manifest'>): MachineRegistry {
  return new MachineRegistry(Object.entries(manifest.states ?? {}).map(machine));

  function machine([id, states]: [string, unknown]) {
    const parsed = watchedMachineSchema.safeParse({ id, states });
    if (parsed.success) return parsed.data;
    throw new SmEdgeError(
      'RECORDING_SET_FORMAT',
      `${folder}/manifest.json: the states of ${id}: ${z.prettifyError(parsed.error)}`,
      { hint: 'Write them as under machines[].states in the config: docs/operating-states.md.' },
    );
  }
}

/**
 * The operating states of the machines of a recording set, by the same code as in the daemon: told by tables of the set,
 * by the level of its signals, by the speed that a recording was made at, or named by the manifest.
 */
export class RecordedStates {
  readonly #machines: MachineRegistry;
  /** Of dated tables, in order of time. */
  readonly #told: readonly Reading[];

  private constructor(machines: MachineRegistry, told: readonly Reading[]) {
    this.#machines = machines;
    this.#told = told;
  }

  static async of(set: RecordingSet, machines: MachineRegistry): Promise<RecordedStates> {
    return new RecordedStates(machines, await toldBy(set, machines));
  }

  /** Whether the readings of a point may tell the state of a machine. */
  tells = (point: string): boolean => isTeller(this.#machines, point);

  /**
   * The states that are declared, and those that are found in what may be learned from. Found ones are settled by that:
   * nothing that is judged later has a say in what a state is.
   */
  find(learned: readonly StateStory[]): KnownStates {
    const found = new Map<string, DeclaredStates>();
    for (const machine of new Set(learned.flatMap(({ spans }) => spans.map(machineOf)))) {
      if (this.#machines.statesOf(machine).config !== 'found') continue;
      const states = new OperatingStates(this.#machines);
      for (const story of learned.filter(({ isDated }) => isDated))
        for (const _ of this.#walk(states, {
          ...story,
          spans: story.spans.filter((of) => machineOf(of) === machine),
        }));
      const declared = states.asDeclared(machine);
      if (declared !== undefined) found.set(machine, declared);
    }
    return {
      statesOf: (machine) => {
        const { config, ratedRpm } = this.#machines.statesOf(machine);
        const settled: StatesConfig = config === 'found' ? (found.get(machine) ?? 'none') : config;
        return { config: settled, ratedRpm };
      },
      tellersOf: (point) => this.#machines.tellersOf(point),
    };
  }

  /**
   * The state of each span of a story, in its order; undefined where the machine has but one, or where nothing in the
   * story tells which.
   */
  over(story: StateStory, known: KnownStates): (OperatingState | undefined)[] {
    const named = story.spans.map((span) => (span.named === undefined ? undefined : stateNamed(span.named)));
    if (named.some((state) => state !== undefined)) return named.map((state) => state ?? UNKNOWN);
    const told = [...this.#walk(new OperatingStates(known), story)];
    if (told.some((state) => state !== undefined && state.kind !== 'unknown')) return told;
    const bySpeed = this.#bySpeed(story, known);
    return told.map(() => bySpeed);
  }

  /** The state at the speed of the recording, where a speed in rpm tells it and nothing else does. */
  #bySpeed({ spans, speedRpm }: StateStory, known: KnownStates): OperatingState | undefined {
    const [span] = spans;
    if (span === undefined || speedRpm === undefined) return undefined;
    const machine = machineOf(span);
    const { config } = known.statesOf(machine);
    if (typeof config === 'string') return undefined;
    const states = new OperatingStates(known);
    const { fromMs } = span;
    for (const { point, unit, feature } of declaredMeasures(config, machine))
      if (feature === undefined && tellingRank(point) === 0 && (unit ?? 'rpm') === 'rpm')
        states.reading({ point, value: speedRpm, unit: 'rpm', timeMs: fromMs, quality: 'good' });
    const state = states.over(span.point, fromMs, fromMs);
    return state?.kind === 'unknown' ? undefined : state;
  }

  /** Values and spans in the order of time, as a gateway would have got them. */
  *#walk(states: OperatingStates, { spans, isDated }: StateStory): Generator<OperatingState | undefined> {
    const own = new Set(spans.flatMap(({ readings = [] }) => readings.map(({ point }) => point)));
    // A table that has the telling column itself is told by it, and by no other table.
    const others = isDated ? this.#told.filter(({ point }) => !own.has(point)) : [];
    let next = firstAfter(others, (spans[0]?.fromMs ?? 0) - BEFORE_MS);
    for (const { point, fromMs, toMs, unit, features, readings = [] } of spans) {
      for (; next < others.length && others[next]!.timeMs <= toMs; next++) states.reading(others[next]!);
      for (const reading of readings) states.reading(reading);
      if (features !== undefined) states.features(point, unit ?? '', features, toMs);
      // A point of another machine that tells the state of this one is here for that alone.
      const ownPoints = readings.filter((of) => this.#machines.tellersOf(of.point).length === 0);
      const points = new Map([{ point }, ...ownPoints].map((of) => [machineOf(of), of.point]));
      const known = [...points.values()].flatMap((of) => states.over(of, fromMs, toMs) ?? []);
      yield known.length === 0 ? undefined : joinStates(known);
    }
  }
}

/** States of spans, where any is known. */
export const knownOf = (
  states: readonly (OperatingState | undefined)[],
): readonly (OperatingState | undefined)[] | undefined =>
  states.some((state) => state !== undefined) ? states : undefined;

/** How long before a story its tellers are heard: a state holds from before the first window. */
const BEFORE_MS = 3_600_000;

const machineOf = ({ point }: { readonly point: string }): string => pointParts(point).machine;

const isTeller = (machines: MachineRegistry, point: string): boolean =>
  machines.tellersOf(point).length > 0 ||
  (machines.statesOf(machineOf({ point })).config === 'found' && Number.isFinite(tellingRank(point)));

/** What the dated tables of a set tell of the machines that it has recordings of, or tables without a telling column. */
async function toldBy(set: RecordingSet, machines: MachineRegistry): Promise<Reading[]> {
  const readings: Reading[] = [];
  if (!needsOthers(set.manifest, machines)) return readings;
  for (const entry of set.manifest.tables) {
    const telling = new Set(
      entry.points.map(({ point }) => point).filter((point) => isTeller(machines, point)),
    );
    if (telling.size === 0 || entry.time === undefined) continue;
    for await (const row of set.readTable(entry))
      for (const reading of row.readings) if (telling.has(reading.point)) readings.push(reading);
  }
  return readings.sort((a, b) => a.timeMs - b.timeMs);
}

const needsOthers = ({ recordings, tables }: RecordingSetManifest, machines: MachineRegistry): boolean =>
  recordings.some(({ startedAt }) => startedAt !== undefined) ||
  tables.some(({ points }) => !points.some(({ point }) => isTeller(machines, point)));

/** Index of the first reading at or after a time. */
function firstAfter(readings: readonly Reading[], timeMs: number): number {
  let low = 0;
  let high = readings.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (readings[middle]!.timeMs < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
