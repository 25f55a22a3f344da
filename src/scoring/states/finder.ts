import { z } from 'zod';
import { ANY_CHANGE, MOST_STATES } from './config.js';
import type { Bin, MeasureRule } from './tracker.js';

/**
 * Finds the operating states of a machine from one measure: the levels at which it stayed for a while (plateaus), that
 * lie apart, and to which it came back. A fault comes once and stays, or grows: a level is a state only once the machine
 * was there three times. Deterministic; 256 plateaus are remembered, whatever the machine does.
 *
 * - `scalar`: speed, current, power, torque or load. A level near 0 is `stopped`, each other one a state of its own; a
 *   machine with a drive that goes to every speed gets bins of at most 30 % each.
 * - `level`: the vibration of a machine of which nothing else is known. It tells only whether it stands still, by a
 *   factor of ten: a louder machine is no other state but maybe a fault.
 */
export type FinderKind = 'scalar' | 'level';

interface Plateau {
  readonly level: number;
  readonly durationMs: number;
  readonly count: number;
}

const MOST_PLATEAUS = 256;
/** A plateau is at least so long and of so many values. */
const LEAST_PLATEAU_MS = 20_000;
const LEAST_PLATEAU_VALUES = 4;
/** A level is a state after so many visits that took so long and gave so many values in sum. */
const LEAST_VISITS = 3;
/** A visit shorter than this share of the mean one is none. */
const PASSING_SHARE = 0.05;
const LEAST_LEVEL_MS = 300_000;
const LEAST_LEVEL_VALUES = 30;
/** Values stay within this share of the top on a plateau, or within so many mean changes from value to value. */
const PLATEAU_SHARE = 0.04;
const PLATEAU_NOISE = 4;
const NOISE_RATE = 0.02;
/** So many odd values in a row do not end a plateau. */
const MOST_ODD = 2;
/** Below this share of the top it stands still. */
const STOPPED_SHARE = 0.05;
/** The widest bin, as a ratio. */
const WIDEST = 1.3;
const MOST_FOUND = 8;
/**
 * A bin reaches so far beyond the levels that were seen: a share of the top, or so many mean changes from value to value
 * (3.4 standard deviations of white noise). Two levels are farther apart than twice that: nearer ones no single value
 * could tell apart.
 */
const MARGIN_SHARE = 0.04;
const MARGIN_NOISE = 3;
/** Natural logarithms: a plateau of a level of vibration, and what lies between running and standing still. */
const LEVEL_WIDTH = Math.log(1.6);
const LEVEL_GAP = Math.log(10);
const DWELL_MS = 5_000;
/** Not `running`: that is what was learned before, when nobody knew that the machine stands still at times. */
const MOVING = 'moving';

const stateSchema = z.strictObject({
  format: z.literal('sm-edge-states/1'),
  point: z.string(),
  kind: z.enum(['scalar', 'level']),
  top: z.number().nonnegative(),
  noise: z.number().nonnegative(),
  plateaus: z.array(z.tuple([z.number(), z.number(), z.number()])).max(MOST_PLATEAUS),
  bins: z.array(z.strictObject({ name: z.string(), from: z.number(), to: z.number() })).max(MOST_STATES),
  stoppedBelow: z.number().positive().optional(),
});

/** JSON form, for the store. */
export type FinderState = z.infer<typeof stateSchema>;

interface Open {
  fromMs: number;
  lastMs: number;
  count: number;
  mean: number;
  odd: number;
}

export class StateFinder {
  readonly point: string;
  readonly kind: FinderKind;
  /** Rated speed where the point tells a speed in that unit: near 0 is standing still without any evidence. */
  readonly #rated: number | undefined;
  #top = 0;
  #noise = 0;
  #last: number | undefined;
  #plateaus: Plateau[] = [];
  #open: Open | undefined;
  #bins: readonly Bin[] = [];
  #stoppedBelow: number | undefined;

  constructor(point: string, kind: FinderKind, options: { rated?: number; stored?: unknown } = {}) {
    this.point = point;
    this.kind = kind;
    this.#rated = options.rated;
    const stored = stateSchema.safeParse(options.stored).data;
    // States of another measure say nothing of this one: they are found anew.
    if (stored?.point === point && stored.kind === kind) {
      this.#top = stored.top;
      this.#noise = stored.noise;
      this.#plateaus = stored.plateaus.map(([level, durationMs, count]) => ({ level, durationMs, count }));
      this.#bins = stored.bins;
      this.#stoppedBelow = stored.stoppedBelow;
    }
  }

  toJSON(): FinderState {
    return {
      format: 'sm-edge-states/1',
      point: this.point,
      kind: this.kind,
      top: this.#top,
      noise: this.#noise,
      plateaus: this.#plateaus.map(({ level, durationMs, count }) => [level, durationMs, count]),
      bins: [...this.#bins],
      ...(this.#stoppedBelow === undefined ? {} : { stoppedBelow: this.#stoppedBelow }),
    };
  }

  /** How the measure tells the states that were found; undefined while none is certain. */
  get rule(): MeasureRule | undefined {
    const stoppedBelow = this.#stoppedBelow ?? (this.#rated && STOPPED_SHARE * this.#rated);
    if (stoppedBelow === undefined && this.#bins.length === 0) return undefined;
    return {
      bins: this.#bins,
      hysteresis: this.kind === 'level' ? 0.3 * (stoppedBelow ?? 0) : this.#margin / 2,
      dwellMs: DWELL_MS,
      ...(stoppedBelow === undefined ? {} : { stoppedBelow }),
      ...(this.kind === 'level' ? { change: ANY_CHANGE } : {}),
    };
  }

  /** Takes in the next value. @returns true where other states are known from now on */
  add(value: number, timeMs: number): boolean {
    if (!Number.isFinite(value) || (this.kind === 'level' && value <= 0)) return false;
    const x = this.kind === 'level' ? Math.log(value) : value;
    const open = this.#open;
    const width = this.#widthAt(Math.max(Math.abs(x), Math.abs(open?.mean ?? 0)));
    if (this.#last !== undefined) {
      // A jump to another level is no noise.
      const most = Math.max(width, PLATEAU_NOISE * this.#noise);
      this.#noise += NOISE_RATE * (Math.min(Math.abs(x - this.#last), most) - this.#noise);
    }
    this.#last = x;
    if (open === undefined || timeMs <= open.lastMs) {
      if (open === undefined) this.#begin(x, timeMs);
      return false;
    }
    if (Math.abs(x - open.mean) <= Math.max(width, PLATEAU_NOISE * this.#noise)) {
      open.count++;
      open.mean += (x - open.mean) / open.count;
      open.lastMs = timeMs;
      open.odd = 0;
      // One wild value is not the top.
      if (open.count >= LEAST_PLATEAU_VALUES) this.#top = Math.max(this.#top, Math.abs(open.mean));
      return false;
    }
    if (++open.odd <= MOST_ODD) return false;
    this.#begin(x, timeMs);
    return this.#close(open) && this.#find();
  }

  #begin(x: number, timeMs: number): void {
    this.#open = { fromMs: timeMs, lastMs: timeMs, count: 1, mean: x, odd: 0 };
  }

  #widthAt = (magnitude: number): number =>
    this.kind === 'level' ? LEVEL_WIDTH : PLATEAU_SHARE * Math.max(this.#top, magnitude);

  get #margin(): number {
    return Math.max(MARGIN_SHARE * this.#top, MARGIN_NOISE * this.#noise);
  }

  #close({ fromMs, lastMs, count, mean }: Open): boolean {
    const durationMs = lastMs - fromMs;
    if (durationMs < LEAST_PLATEAU_MS || count < LEAST_PLATEAU_VALUES) return false;
    this.#plateaus.push({ level: mean, durationMs, count });
    if (this.#plateaus.length > MOST_PLATEAUS) this.#plateaus.shift();
    return true;
  }

  #find(): boolean {
    const before = JSON.stringify([this.#bins, this.#stoppedBelow]);
    if (this.kind === 'level') this.#findStopped();
    else this.#findLevels();
    return JSON.stringify([this.#bins, this.#stoppedBelow]) !== before;
  }

  #findStopped(): void {
    const groups = certain(grouped(this.#plateaus, LEVEL_GAP), this.#plateaus);
    const [quiet, loud] = groups;
    if (this.#stoppedBelow !== undefined || groups.length !== 2) return;
    const edge = Math.exp((quiet!.at(-1)!.level + loud![0]!.level) / 2);
    this.#stoppedBelow = edge;
    this.#bins = [{ name: MOVING, from: edge, to: Number.MAX_VALUE }];
  }

  #findLevels(): void {
    const top = this.#top;
    const margin = this.#margin;
    const isStopped = (group: readonly Plateau[]) =>
      Math.abs(group[group.length >> 1]!.level) < STOPPED_SHARE * top;
    const all = grouped(this.#plateaus, 2 * margin).flatMap((group) =>
      isStopped(group) ? [group] : cut(group),
    );
    const groups = certain(all, this.#plateaus);
    const stopped = groups.find(isStopped);
    const longest = longestOf(all.filter((group) => !isStopped(group)));
    // Where it ran longest and never came back to, it left for good: what followed may be a fault that changes.
    const running =
      longest === undefined || groups.includes(longest) ? groups.filter((group) => !isStopped(group)) : [];
    // One level is no state among others: the machine runs, and that is all.
    if (this.#bins.length === 0 && running.length + (stopped === undefined ? 0 : 1) < 2) return;
    if (stopped !== undefined) this.#stoppedBelow ??= Math.abs(stopped.at(-1)!.level) + margin;
    for (const group of running) {
      const level = meanOf(group);
      const from = group[0]!.level - margin;
      const to = group.at(-1)!.level + margin;
      if (this.#bins.some((bin) => level >= bin.from && level < bin.to)) continue;
      if (this.#bins.length >= MOST_FOUND) break;
      const bin = { name: nameOf(this.point, level), ...this.#between(from, to, level) };
      if (this.#bins.some(({ name }) => name === bin.name)) continue;
      // What was found is not changed any more: its name and its baselines stay.
      this.#bins = [...this.#bins, bin].sort((a, b) => a.from - b.from);
    }
  }

  /** The range of a new state, as far as the others leave it room. */
  #between(from: number, to: number, level: number): { from: number; to: number } {
    const below = this.#bins.filter((bin) => bin.to <= level).map((bin) => bin.to);
    const above = this.#bins.filter((bin) => bin.from > level).map((bin) => bin.from);
    return { from: Math.max(from, ...below), to: Math.min(to, ...above) };
  }
}

/** Plateaus in order of their level, parted where the next one lies farther off than `gap`. */
function grouped(plateaus: readonly Plateau[], gap: number): Plateau[][] {
  const groups: Plateau[][] = [];
  for (const plateau of [...plateaus].sort((a, b) => a.level - b.level)) {
    const group = groups.at(-1);
    if (group === undefined || plateau.level - group.at(-1)!.level > gap) groups.push([plateau]);
    else group.push(plateau);
  }
  return groups;
}

/** A group wider than a bin may be, in equal parts. */
function cut(group: readonly Plateau[]): Plateau[][] {
  const low = group[0]!.level;
  const high = group.at(-1)!.level;
  if (low <= 0 || high / low <= WIDEST) return [[...group]];
  const parts = Math.min(MOST_FOUND, Math.ceil(Math.log(high / low) / Math.log(WIDEST)));
  const cuts: Plateau[][] = Array.from({ length: parts }, () => []);
  for (const plateau of group)
    cuts[
      Math.min(parts - 1, Math.floor((parts * Math.log(plateau.level / low)) / Math.log(high / low)))
    ]!.push(plateau);
  return cuts.filter(({ length }) => length > 0);
}

const sumOf = (group: readonly Plateau[], of: (plateau: Plateau) => number): number =>
  group.reduce((sum, plateau) => sum + of(plateau), 0);

/**
 * Groups that are states: visited often and long enough. A visit ends when the machine stays at another level: one that
 * is left for a moment, or wobbles, was not left. One far shorter than the others of its level was in passing.
 * @param inOrder all plateaus in order of time
 */
function certain(groups: readonly Plateau[][], inOrder: readonly Plateau[]): Plateau[][] {
  const groupOf = new Map(groups.flatMap((group) => group.map((plateau) => [plateau, group] as const)));
  const visits = new Map<Plateau[], number[]>(groups.map((group) => [group, []]));
  let last: number[] | undefined;
  for (const plateau of inOrder) {
    const lengths = visits.get(groupOf.get(plateau) ?? []);
    if (lengths === undefined) continue;
    if (lengths === last) lengths[lengths.length - 1]! += plateau.durationMs;
    else lengths.push(plateau.durationMs);
    last = lengths;
  }
  return groups.filter((group) => {
    const lengths = visits.get(group)!;
    const totalMs = lengths.reduce((sum, length) => sum + length, 0);
    const least = (PASSING_SHARE * totalMs) / lengths.length;
    return (
      lengths.filter((length) => length >= least).length >= LEAST_VISITS &&
      totalMs >= LEAST_LEVEL_MS &&
      sumOf(group, ({ count }) => count) >= LEAST_LEVEL_VALUES
    );
  });
}

const longestOf = (groups: readonly Plateau[][]): Plateau[] | undefined => {
  const lengths = groups.map((group) => sumOf(group, ({ durationMs }) => durationMs));
  return groups[lengths.indexOf(Math.max(...lengths))];
};

const meanOf = (group: readonly Plateau[]): number =>
  sumOf(group, ({ level, count }) => level * count) / sumOf(group, ({ count }) => count);

/** `speed-1480`, `current-12.4`. */
const nameOf = (point: string, level: number): string =>
  `${point.split('.').at(-1)}-${Number(level.toPrecision(3))}`.slice(0, 64);
