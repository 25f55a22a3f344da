import { pointParts } from '../../signals/point.js';
import { type DeclaredStates, declaredMeasures, type StatesConfig, type TrackedMeasure } from './config.js';
import { StateFinder } from './finder.js';
import { StateHistory } from './history.js';
import { isTransient, joinStates, type OperatingState, sameState, UNKNOWN } from './state.js';
import { type MeasureState, stepMeasure } from './tracker.js';

/** A value of a point of the machine: a reading, or a feature of a window, which counts at the end of the window. */
export interface StateValue {
  readonly point: string;
  readonly feature?: string;
  readonly unit: string;
  readonly value: number;
  readonly timeMs: number;
}

/** What tells the states where nothing is declared, the best first; the last is the level of a waveform. */
const TELLING: readonly RegExp[] = [
  /(^|[-_])(speed|rpm)$/,
  /(^|[-_])current$/,
  /(^|[-_])power$/,
  /(^|[-_])torque$/,
  /(^|[-_])load$/,
];
/** What sounds alike and tells of an outcome, a defect or the surroundings, not of what the machine is asked to do. */
const NO_DUTY =
  /(^|[-_])(cooling|heating|heat|thermal|leakage|leak|residual|earth|ground|bearing-current|shaft-current|wind|sound|signal|reactive)([-_]|$)/;
const WAVEFORMS: readonly string[] = ['acceleration', 'velocity'];
const LEVEL = 'rms';
const SILENT_LEAST_MS = 60_000;
const SILENT_INTERVALS = 5;
const INTERVAL_RATE = 0.1;
/** A value older than the newest by more than this tells that the clock was set back, milliseconds. */
const SET_BACK_MS = 600_000;

/** How well a point tells the state of its machine where none is declared: 0 is best, infinity not at all. */
export function tellingRank(point: string, feature?: string): number {
  const { quantity } = pointParts(point);
  if (feature !== undefined)
    return feature === LEVEL && WAVEFORMS.includes(quantity) ? TELLING.length : Number.POSITIVE_INFINITY;
  if (NO_DUTY.test(quantity)) return Number.POSITIVE_INFINITY;
  const rank = TELLING.findIndex((pattern) => pattern.test(quantity));
  return rank < 0 ? Number.POSITIVE_INFINITY : rank;
}

interface Tracked {
  measure: TrackedMeasure;
  state: MeasureState | undefined;
  intervalMs: number;
}

/**
 * The operating state of one machine as it goes with time, told by the values of its points. Of a machine of which
 * nothing tells a state there is none: it has one state, and `over` says undefined.
 */
export class MachineStates {
  readonly #config: StatesConfig;
  readonly #ratedRpm: number | undefined;
  readonly #stored: unknown;
  readonly #history = new StateHistory();
  #tracked: Tracked[];
  #finder: StateFinder | undefined;
  #rank = Number.POSITIVE_INFINITY;
  #isChanged = false;

  /** @param stored what `toJSON` said before a restart */
  constructor(
    machine: string,
    config: StatesConfig,
    options: { readonly ratedRpm?: number | undefined; readonly stored?: unknown } = {},
  ) {
    this.#config = config;
    this.#ratedRpm = options.ratedRpm;
    this.#stored = options.stored;
    this.#tracked =
      typeof config === 'string'
        ? []
        : declaredMeasures(config, machine).map((measure) => ({ measure, state: undefined, intervalMs: 0 }));
  }

  /** Whether states of the machine are declared or were found. */
  get isKnown(): boolean {
    return this.#tracked.length > 0;
  }

  /** The point that tells the state, where there is one. */
  get tellingPoints(): readonly string[] {
    return this.#tracked.map(({ measure }) => measure.point);
  }

  /** Names of the steady states that are declared or were found. */
  get names(): readonly string[] {
    const [first, second] = this.#tracked.map(({ measure: { rule } }) =>
      rule.bins.length === 0 ? ['running'] : rule.bins.map(({ name }) => name),
    );
    if (first === undefined) return [];
    return second === undefined ? first : first.flatMap((a) => second.map((b) => `${a}/${b}`));
  }

  /** Takes in a value. @returns the new state where it changed */
  observe(value: StateValue): OperatingState | undefined {
    if (this.#config === 'none') return undefined;
    if (this.#config === 'found') this.#find(value);
    const before = this.#history.now;
    for (const tracked of this.#tracked) this.#track(tracked, value);
    const now = this.#history.now;
    return sameState(before, now) ? undefined : now;
  }

  /** Whether a value of this point and feature would tell anything: others need not be handed over. */
  isTold(point: string, feature?: string): boolean {
    if (this.#config === 'none') return false;
    if (this.#config === 'found') return tellingRank(point, feature) <= this.#rank;
    return this.#tracked.some(({ measure }) => measure.point === point && measure.feature === feature);
  }

  /**
   * The state of the machine in a span of time, milliseconds since the Unix epoch; undefined where the machine has no
   * states but the one. A change within the span makes it a run-up or run-down; beyond what was heard it is unknown.
   */
  over(fromMs: number, toMs: number): OperatingState | undefined {
    if (this.#tracked.length === 0) return undefined;
    for (const tracked of this.#tracked) {
      if (tracked.state === undefined || toMs > tracked.state.timeMs + this.#silentMs(tracked))
        return UNKNOWN;
    }
    return this.#history.over(fromMs, toMs) ?? UNKNOWN;
  }

  /** Since when the newest state lasts, milliseconds. */
  get sinceMs(): number | undefined {
    return this.#history.sinceMs;
  }

  /** For recordings that are not one story. */
  forget(point: string): void {
    if (!this.#tracked.some(({ measure }) => measure.point === point)) {
      if (this.#finder?.point === point) this.#dropFinder();
      return;
    }
    if (this.#config === 'found') this.#dropFinder();
    for (const tracked of this.#tracked) tracked.state = undefined;
    this.#history.clear();
  }

  /** What was found, where that changed since the last call: to be stored. */
  takeChanged(): unknown {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    return this.#finder?.toJSON();
  }

  /** What was found so far. */
  get found(): unknown {
    return this.#finder?.toJSON();
  }

  /** What was found, as if it had been declared: nothing more is found by that. */
  get asDeclared(): DeclaredStates | undefined {
    const rule = this.#finder?.rule;
    const [tracked] = this.#tracked;
    if (this.#config !== 'found' || rule === undefined || tracked === undefined) return undefined;
    const { point, feature, unit } = tracked.measure;
    return {
      point,
      ...(feature === undefined ? {} : { feature }),
      ...(unit === undefined ? {} : { unit }),
      bins: [...rule.bins],
      hysteresis: rule.hysteresis,
      dwell: rule.dwellMs,
      ...(rule.stoppedBelow === undefined ? {} : { stoppedBelow: rule.stoppedBelow }),
    };
  }

  #dropFinder(): void {
    this.#finder = undefined;
    this.#rank = Number.POSITIVE_INFINITY;
    this.#tracked = [];
  }

  #find({ point, feature, unit, value, timeMs }: StateValue): void {
    const rank = tellingRank(point, feature);
    const better =
      rank < this.#rank || (rank === this.#rank && this.#finder !== undefined && point < this.#finder.point);
    // A measure of the same kind is as good as the other: the first one stays once it told something.
    if (better && (rank < this.#rank || this.#finder?.rule === undefined)) {
      this.#rank = rank;
      const rated = rank === 0 && unit === 'rpm' ? this.#ratedRpm : undefined;
      this.#finder = new StateFinder(point, feature === undefined ? 'scalar' : 'level', {
        ...(rated === undefined ? {} : { rated }),
        stored: this.#stored,
      });
      this.#tracked = [];
      this.#history.clear();
      this.#useFound(unit);
    }
    if (this.#finder?.point !== point || rank !== this.#rank) return;
    if (!this.#finder.add(value, timeMs)) return;
    this.#isChanged = true;
    this.#useFound(unit);
  }

  #useFound(unit: string): void {
    const rule = this.#finder?.rule;
    if (rule === undefined) return;
    const { point, kind } = this.#finder!;
    const measure = { point, feature: kind === 'level' ? LEVEL : undefined, unit, rule };
    const [known] = this.#tracked;
    if (known === undefined) this.#tracked = [{ measure, state: undefined, intervalMs: 0 }];
    else known.measure = measure;
  }

  #track(tracked: Tracked, { point, feature, unit, value, timeMs }: StateValue): void {
    const { measure } = tracked;
    if (measure.point !== point || measure.feature !== feature) return;
    if (measure.unit !== undefined && measure.unit !== unit) return;
    let before = tracked.state;
    if (before !== undefined) {
      const distanceMs = timeMs - before.timeMs;
      if (distanceMs < -SET_BACK_MS) {
        this.#history.clear();
        before = undefined;
      } else if (distanceMs <= 0) return;
      else if (distanceMs > this.#silentMs(tracked)) {
        this.#history.note(before.timeMs + this.#silentMs(tracked), UNKNOWN);
        before = undefined;
      } else
        tracked.intervalMs +=
          (tracked.intervalMs === 0 ? 1 : INTERVAL_RATE) * (distanceMs - tracked.intervalMs);
    }
    tracked.state = stepMeasure(measure.rule, before, value, timeMs);
    const states = this.#tracked.map((of) => of.state?.state ?? UNKNOWN);
    const now = joinStates(states);
    // It began to move at some time after the last value: from there on nothing is certain.
    const fromMs = isTransient(now) && before !== undefined ? before.timeMs : timeMs;
    if (!sameState(now, this.#history.now)) this.#history.note(fromMs, now);
  }

  #silentMs({ intervalMs }: Tracked): number {
    const { silentAfter } = typeof this.#config === 'string' ? {} : (this.#config as DeclaredStates);
    return silentAfter ?? Math.max(SILENT_LEAST_MS, SILENT_INTERVALS * intervalMs);
  }
}
