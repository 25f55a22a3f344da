import type { FeatureVector } from '../../features/spec.js';
import type { DeclaredStates } from '../../scoring/states/config.js';
import { MachineStates } from '../../scoring/states/machine-states.js';
import type { OperatingState } from '../../scoring/states/state.js';
import { pointParts } from '../../signals/point.js';
import { isSound } from '../../signals/quality.js';
import type { Reading } from '../../signals/reading.js';
import { ClockSkew } from './clock-skew.js';
import type { MachineRegistry } from './machines.js';

/** A machine went to another state. */
export interface StateChange {
  readonly machine: string;
  readonly state: OperatingState;
  /** By the stamp of the value that told it, milliseconds since the Unix epoch. */
  readonly timeMs: number;
}

/** What is shown of the state of a machine. */
export interface StateView {
  readonly state: string;
  readonly kind: OperatingState['kind'];
  /** Since when it lasts, milliseconds since the Unix epoch. */
  readonly sinceMs: number | undefined;
  /** The point that tells it. */
  readonly toldBy: readonly string[];
  /** All steady states that are known. */
  readonly known: readonly string[];
}

/** More machines than a gateway has; further ones have one state. */
const MAX_MACHINES = 1_000;

const PREFIX = 'states:';

/** The operating states of all machines, told by the readings and windows of their points as they come. */
export class OperatingStates {
  readonly #registry: Pick<MachineRegistry, 'statesOf' | 'tellersOf'>;
  readonly #machines = new Map<string, MachineStates>();
  readonly #skew = new ClockSkew();
  readonly #stored = new Map<string, unknown>();

  constructor(registry: Pick<MachineRegistry, 'statesOf' | 'tellersOf'>) {
    this.#registry = registry;
  }

  /** Takes up what was found before a restart: documents as `takeChanged` gave them. */
  restore(documents: Iterable<readonly [key: string, document: unknown]>): void {
    for (const [key, document] of documents) this.#stored.set(key.slice(PREFIX.length), document);
  }

  static readonly prefix = PREFIX;

  /** What was found since the last call: to be stored. */
  takeChanged(): { readonly key: string; readonly document: unknown }[] {
    return [...this.#machines].flatMap(([machine, states]) => {
      const document = states.takeChanged();
      return document === undefined ? [] : [{ key: `${PREFIX}${machine}`, document }];
    });
  }

  /** Other machines or states in the config from now on; states that are still to be found stay. */
  reconfigure(): void {
    for (const [machine, states] of this.#machines) {
      const kept = states.found;
      if (kept !== undefined) this.#stored.set(machine, kept);
    }
    this.#machines.clear();
  }

  /** @param nowMs when it arrived, by the gateway's clock; the stamp itself where that is missing, as in a replay */
  reading({ point, timeMs, value, unit, quality, reason }: Reading, nowMs = timeMs): StateChange[] {
    this.#skew.heard(point, timeMs, nowMs);
    if (!isSound(quality, reason)) return [];
    return this.#tell(point, undefined, value, unit, timeMs);
  }

  /** The features of a window tell the state at its end. */
  features(point: string, unit: string, features: FeatureVector, endMs: number): StateChange[] {
    return this.#listeners(point).flatMap(({ machine, states }) =>
      Object.entries(features).flatMap(([feature, value]) =>
        states.isTold(point, feature)
          ? this.#observe(machine, states, point, feature, value, unit, endMs)
          : [],
      ),
    );
  }

  /** A block arrived: its stamp tells how far the clock of its source is off. */
  block(point: string, endMs: number, nowMs: number): void {
    this.#skew.heard(point, endMs, nowMs);
  }

  /** The state of the machine of a point in a span of the point's own time; undefined where it has but one. */
  over(point: string, fromMs: number, toMs: number): OperatingState | undefined {
    const skewMs = this.#skew.of(point);
    return this.#of(pointParts(point).machine)?.over(fromMs + skewMs, toMs + skewMs);
  }

  /** Whether the state is told by this very point: then it is judged whatever the state. */
  isTeller(point: string): boolean {
    return this.#listeners(point).some(({ states }) => states.tellingPoints.includes(point));
  }

  /** What was found of a machine, as if it had been declared; undefined where nothing was. */
  asDeclared(machine: string): DeclaredStates | undefined {
    return this.#machines.get(machine)?.asDeclared;
  }

  view(machine: string, nowMs: number): StateView | undefined {
    const states = this.#machines.get(machine);
    const now = states?.over(nowMs, nowMs);
    if (states === undefined || now === undefined) return undefined;
    return {
      state: now.name,
      kind: now.kind,
      sinceMs: now.kind === 'unknown' ? undefined : states.sinceMs,
      toldBy: states.tellingPoints,
      known: states.names,
    };
  }

  /** For recordings that are not one story. */
  forget(point: string): void {
    for (const { states } of this.#listeners(point)) states.forget(point);
  }

  #tell(
    point: string,
    feature: string | undefined,
    value: number,
    unit: string,
    timeMs: number,
  ): StateChange[] {
    return this.#listeners(point).flatMap(({ machine, states }) =>
      states.isTold(point, feature)
        ? this.#observe(machine, states, point, feature, value, unit, timeMs)
        : [],
    );
  }

  #observe(
    machine: string,
    states: MachineStates,
    point: string,
    feature: string | undefined,
    value: number,
    unit: string,
    timeMs: number,
  ): StateChange[] {
    const atMs = timeMs + this.#skew.of(point);
    const state = states.observe({
      point,
      unit,
      value,
      timeMs: atMs,
      ...(feature === undefined ? {} : { feature }),
    });
    return state === undefined ? [] : [{ machine, state, timeMs: atMs }];
  }

  /** The machine of the point, and those whose state the config lets it tell. */
  #listeners(point: string): { machine: string; states: MachineStates }[] {
    const own = pointParts(point).machine;
    const others = this.#registry.tellersOf(point).filter((machine) => machine !== own);
    return [own, ...others].flatMap((machine) => {
      const states = this.#of(machine);
      return states === undefined ? [] : [{ machine, states }];
    });
  }

  #of(machine: string): MachineStates | undefined {
    let states = this.#machines.get(machine);
    if (states === undefined && this.#machines.size < MAX_MACHINES) {
      const { config, ratedRpm } = this.#registry.statesOf(machine);
      states = new MachineStates(machine, config, { ratedRpm, stored: this.#stored.get(machine) });
      this.#machines.set(machine, states);
    }
    return states;
  }
}
