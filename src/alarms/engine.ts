import type { Metrics } from '../base/metrics.js';
import { pointParts } from '../signals/point.js';
import type { Reading } from '../signals/reading.js';
import { type Finding, judgeFeatures, judgeReading, judgeScore, judgeSilence } from './condition.js';
import { type AlarmConfig, DEFAULT_ANOMALY_ALARM } from './config.js';
import { AlarmGates } from './gates.js';
import { AlarmGroups } from './groups.js';
import { byEndOfShelf, type Instance, newInstance, recordOf, rulesOf } from './instance.js';
import { changedMessage, raisedMessage } from './messages.js';
import { AlarmMeters } from './meters.js';
import type { FeaturedPoint, MachineFacts, ScoredPoint } from './observation.js';
import { matches } from './pattern.js';
import {
  type Actor,
  type AlarmRecord,
  type AlarmThread,
  type AlarmTransition,
  parseRecord,
  stateOfRecord,
} from './record.js';
import { type AlarmInput, NORMAL, transition } from './transition.js';

export type { AlarmConfig } from './config.js';
export type { FeaturedPoint, MachineFacts, ScoredPoint } from './observation.js';
export type { Actor, AlarmRecord, AlarmTransition } from './record.js';

export interface AlarmEngineOptions {
  readonly metrics?: Metrics;
  /** What is known of a machine, by its id. */
  readonly machineOf?: (machine: string) => MachineFacts;
}

/** Points watched at most: a wildcard over a flood of points must not fill the memory. */
const MAX_POINTS = 20_000;

/** All alarms of the gateway and their states. No I/O: whoever calls it stores and announces what changed. */
export class AlarmEngine {
  #configs: readonly AlarmConfig[] = [];
  /** The alarms of each point that was ever seen, in the order of the definitions. */
  readonly #byPoint = new Map<string, readonly Instance[]>();
  /** Those that count only in some operating states. */
  readonly #gates = new AlarmGates<Instance>();
  /** Those that time alone may change: shelved ones, and those on missing data. */
  readonly #timed = new Set<Instance>();
  /** Those that somebody took out of service. */
  readonly #outOfService = new Set<Instance>();
  readonly #groups = new AlarmGroups();
  readonly #machineOf: (machine: string) => MachineFacts;
  readonly #unwatched;
  readonly #meters: AlarmMeters | undefined;
  /** Silent alarms whose condition changed: no change that anybody is told of, and to be stored all the same. */
  readonly #unsaved = new Set<Instance>();

  constructor(configs: readonly AlarmConfig[], options: AlarmEngineOptions = {}) {
    this.#configs = configs;
    this.#machineOf = options.machineOf ?? (() => ({ class: 'machine' }));
    this.#unwatched = options.metrics?.counter(
      'sm_edge_alarms_unwatched_total',
      `Values that no alarm looked at, because ${MAX_POINTS} points are watched already.`,
    );
    this.#meters = options.metrics && new AlarmMeters(options.metrics);
    this.#rebuild([]);
  }

  /**
   * Other definitions, or machines, from now on. An alarm that is still defined keeps its state and its running delay;
   * one that is not is forgotten, and begins as normal should it come back.
   */
  reconfigure(configs: readonly AlarmConfig[]): void {
    this.#configs = configs;
    this.#rebuild(this.snapshot());
  }

  /** A value; a bad one neither raises nor clears anything. */
  evaluateReading(reading: Reading): readonly AlarmTransition[] {
    const gated = this.#gate(this.#gates.onReading(reading), reading.timeMs);
    const isValue = reading.quality !== 'bad' && Number.isFinite(reading.value);
    let changes = gated;
    for (const instance of this.#instancesOf(reading.point)) {
      const { config, state, recent } = instance;
      if (isValue) instance.heard = true;
      const finding = judgeReading(config, reading, state.active, recent);
      changes = joined(changes, this.#judge(instance, finding, reading.timeMs));
    }
    return changes;
  }

  /** The features of a window: alarms on a feature or on a zone of ISO 20816. */
  evaluateFeatures(featured: FeaturedPoint): AlarmTransition[] {
    return this.#instancesOf(featured.point).flatMap((instance) => {
      const { config, state, recent, point } = instance;
      instance.heard = true;
      const machine = this.#machineOf(pointParts(point).machine);
      const finding = judgeFeatures(config, featured, state.active, recent, machine);
      return this.#judge(instance, finding, featured.timeMs);
    });
  }

  /** The machine is in another operating state. */
  evaluateState(machine: string, state: string, timeMs: number): readonly AlarmTransition[] {
    return this.#gate(this.#gates.onState(machine, state, timeMs), timeMs);
  }

  /** The worst score of a window or reading, and its diagnosis where there is one. */
  evaluateScore(scored: ScoredPoint): readonly AlarmTransition[] {
    let changes = NO_TRANSITIONS;
    for (const instance of this.#instancesOf(scored.point)) {
      const finding = judgeScore(instance.config, scored, instance.state.active);
      changes = joined(changes, this.#judge(instance, finding, scored.timeMs));
    }
    return changes;
  }

  /** Time went by on the gateway's clock: shelves end, data are missing. To be called every second or so. */
  tick(nowMs: number): AlarmTransition[] {
    this.#meters?.tick(nowMs);
    const timed = [...this.#timed];
    const shelved = timed.filter(({ state }) => state.shelf !== undefined).sort(byEndOfShelf);
    const back = shelved.flatMap((instance) => this.#apply(instance, { kind: 'time', timeMs: nowMs }));
    const silent = timed.flatMap((instance) => {
      const { config, point } = instance;
      if (config.missing === undefined) return [];
      // Set back, or heard of since: the silence begins here.
      if (instance.heard || nowMs < (instance.heardMs ?? nowMs)) instance.heardMs = nowMs;
      instance.heard = false;
      instance.heardMs ??= nowMs;
      return this.#judge(instance, judgeSilence(config, point, nowMs - instance.heardMs), nowMs);
    });
    return [...back, ...silent];
  }

  /** Something that a person does to one alarm. Empty where it changes nothing, or there is no such alarm. */
  operate(alarm: string, point: string, input: AlarmInput, actor: Actor): readonly AlarmTransition[] {
    const instance = this.#find(alarm, point);
    return instance === undefined ? [] : this.#apply(instance, input, undefined, actor);
  }

  /** The record of one alarm at one point, as it is to be stored. */
  stateOf(alarm: string, point: string): AlarmRecord | undefined {
    const instance = this.#find(alarm, point);
    return instance === undefined ? undefined : recordOf(instance);
  }

  /** The event that began what an alarm is in from now on: to be told before the record is stored. */
  follow(alarm: string, point: string, thread: AlarmThread): void {
    const instance = this.#find(alarm, point);
    if (instance !== undefined) instance.thread = thread;
  }

  /** Whether somebody works on the machine: an alarm of it is out of service. */
  inMaintenance(machine: string): boolean {
    return [...this.#outOfService].some(({ point }) => pointParts(point).machine === machine);
  }

  definitionOf(alarm: string, point: string): AlarmConfig | undefined {
    return this.#find(alarm, point)?.config;
  }

  /** Every alarm at every point that is watched, normal ones too. */
  all(): AlarmRecord[] {
    return [...this.#byPoint.values()].flat().map(recordOf);
  }

  /** Every alarm that is not in its first state: what has to be kept. */
  snapshot(): AlarmRecord[] {
    return [...this.#byPoint.values()]
      .flat()
      .filter(({ state }) => state !== NORMAL)
      .map(recordOf);
  }

  /** Alarms that changed since the last call without a transition: to be stored. */
  takeUnsaved(): AlarmRecord[] {
    const records = [...this.#unsaved].map(recordOf);
    this.#unsaved.clear();
    return records;
  }

  /** Takes up stored states; what is no alarm record, or of no alarm that is defined, is left out. */
  restore(documents: readonly unknown[]): void {
    const stored = documents.flatMap((document) => parseRecord(document) ?? []);
    this.#rebuild([...this.snapshot(), ...stored]);
  }

  /** Forgets the states at a point: for recordings that are not one story. */
  forget(point: string): void {
    for (const instance of this.#byPoint.get(point) ?? []) {
      instance.state = NORMAL;
      instance.message = '';
      this.#groups.leave(instance.config.id, point);
    }
  }

  #rebuild(records: readonly AlarmRecord[]): void {
    this.#byPoint.clear();
    this.#gates.clear();
    this.#timed.clear();
    this.#outOfService.clear();
    this.#unsaved.clear();
    this.#meters?.reset();
    this.#groups.clear();
    // What is missing from the very beginning is missing too.
    for (const { missing, point, enabled } of this.#configs)
      if (enabled && missing !== undefined && !point.includes('*')) this.#instancesOf(point);
    for (const record of records) {
      this.#instancesOf(record.point);
      const instance = this.#find(record.alarm, record.point);
      if (instance === undefined) continue;
      instance.state = stateOfRecord(record);
      instance.message = record.message;
      instance.raisedMs = record.raisedMs;
      instance.thread = record.thread;
      instance.actor =
        record.by === undefined
          ? undefined
          : { by: record.by, ...(record.note === undefined ? {} : { note: record.note }) };
      // An alarm whose definition has no operating state any more cannot stay suppressed by it.
      if (instance.config.countsWhile === undefined) {
        const over: AlarmInput = {
          kind: 'unsuppress',
          suppressor: 'operating-state',
          timeMs: record.sinceMs,
        };
        instance.state = transition(instance.state, over, rulesOf(instance.config));
      }
      if (instance.state.shelf !== undefined) this.#timed.add(instance);
      if (instance.state.outOfService) this.#outOfService.add(instance);
      this.#meters?.present(instance.state.state, instance.config.priority, 1);
      if (record.group !== undefined && instance.state.state !== 'normal') {
        instance.group = record.group;
        this.#groups.restore(record.alarm, record.point, record.group);
      }
    }
  }

  #find(alarm: string, point: string): Instance | undefined {
    return this.#byPoint.get(point)?.find(({ config }) => config.id === alarm);
  }

  #instancesOf(point: string): readonly Instance[] {
    const known = this.#byPoint.get(point);
    if (known !== undefined) return known;
    if (this.#byPoint.size >= MAX_POINTS) {
      this.#unwatched?.inc();
      return [];
    }
    const { machine } = pointParts(point);
    const { class: machineClass } = this.#machineOf(machine);
    const configs = this.#configs.filter(
      (config) =>
        matches(config.point, point) &&
        (config.machineClass === undefined || config.machineClass === machineClass),
    );
    // One that is switched off covers the point too: whoever switches it off wants silence.
    if (!configs.some((config) => config.anomaly === true)) configs.push(DEFAULT_ANOMALY_ALARM);
    const instances = configs
      .filter(({ enabled }) => enabled)
      .map((config): Instance => newInstance(config, point));
    this.#byPoint.set(point, instances);
    for (const instance of instances) {
      if (instance.config.missing !== undefined) this.#timed.add(instance);
      const shutMs = this.#gates.add(instance, machine);
      if (shutMs === undefined) continue;
      const shut: AlarmInput = { kind: 'suppress', suppressor: 'operating-state', timeMs: shutMs };
      instance.state = transition(instance.state, shut, rulesOf(instance.config));
    }
    return instances;
  }

  /** Suppresses the alarms that do not count in an operating state, and brings back those that do. */
  #gate(
    gated: readonly (readonly [instance: Instance, counts: boolean])[],
    timeMs: number,
  ): readonly AlarmTransition[] {
    if (gated.length === 0) return NO_TRANSITIONS;
    return gated.flatMap(([instance, counts]) =>
      this.#apply(instance, {
        kind: counts ? 'unsuppress' : 'suppress',
        suppressor: 'operating-state',
        timeMs,
      }),
    );
  }

  #judge(instance: Instance, finding: Finding | undefined, timeMs: number): readonly AlarmTransition[] {
    if (finding === undefined) return NO_TRANSITIONS;
    return this.#apply(instance, { kind: 'condition', present: finding.present, timeMs }, finding);
  }

  #apply(
    instance: Instance,
    input: AlarmInput,
    finding?: Finding,
    actor?: Actor,
  ): readonly AlarmTransition[] {
    const { config, point } = instance;
    const before = instance.state;
    const after = transition(before, input, rulesOf(config));
    instance.state = after;
    if (finding?.present && after.active && !before.active)
      instance.message = raisedMessage(finding.describe(), config);
    const shelfMoved = before.shelf?.untilMs !== after.shelf?.untilMs;
    // What a person does is told even where another silence outranks it.
    const byPerson = actor !== undefined && before !== after;
    if (before.state === after.state && !shelfMoved && !byPerson) {
      if (before.active !== after.active || before.suppressed !== after.suppressed)
        this.#unsaved.add(instance);
      return NO_TRANSITIONS;
    }
    this.#unsaved.delete(instance);
    if (before.state !== after.state)
      this.#meters?.changed(before.state, after.state, config.priority, input.timeMs);
    if (after.shelf !== undefined) this.#timed.add(instance);
    else if (config.missing === undefined) this.#timed.delete(instance);
    if (after.outOfService) this.#outOfService.add(instance);
    else this.#outOfService.delete(instance);
    const { timeMs } = input;
    this.#regroup(instance, timeMs);
    instance.actor = actor;
    const facts = {
      to: after.state,
      point,
      ...(after.shelf === undefined ? {} : { untilMs: after.shelf.untilMs }),
    };
    return [
      {
        alarm: config.id,
        from: before.state,
        cause: input.kind,
        severity: config.priority,
        message: changedMessage(facts, instance.message),
        timeMs,
        ...facts,
        ...(config.class === undefined ? {} : { class: config.class }),
        ...(finding?.value === undefined ? {} : { value: finding.value }),
        ...(finding?.limit === undefined ? {} : { limit: finding.limit }),
        ...(instance.group === undefined ? {} : { group: instance.group }),
        ...actor,
      },
    ];
  }

  #regroup(instance: Instance, timeMs: number): void {
    const { config, point, state } = instance;
    if (state.state === 'unacknowledged') {
      instance.raisedMs = timeMs;
      // One that comes again before it was seen keeps its place.
      instance.group ??= this.#groups.join(config.id, point, timeMs);
    } else if (['normal', 'shelved', 'suppressed', 'out-of-service'].includes(state.state)) {
      this.#groups.leave(config.id, point);
      instance.group = undefined;
    }
  }
}

/** What nearly every value gives: one list for all of them. */
const NO_TRANSITIONS: readonly AlarmTransition[] = [];

const joined = (a: readonly AlarmTransition[], b: readonly AlarmTransition[]): readonly AlarmTransition[] =>
  b.length === 0 ? a : a.length === 0 ? b : [...a, ...b];
