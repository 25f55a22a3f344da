import { z } from 'zod';
import type { Diagnosis } from '../diagnosis/diagnose.js';
import type { Reading } from '../signals/reading.js';
import { type AlarmConfig, DEFAULT_ANOMALY_ALARM } from './config.js';
import {
  type AlarmInput,
  type AlarmState,
  type AlarmStateName,
  isActive,
  NORMAL,
  transition,
} from './transition.js';

/** One change of an alarm's state, in words. */
export interface AlarmTransition {
  readonly alarm: string;
  readonly point: string;
  readonly from: AlarmStateName;
  readonly to: AlarmStateName;
  /** The priority of the definition. */
  readonly severity: AlarmConfig['priority'];
  readonly message: string;
  /** Of the data that led to it, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** Value and limit that led to it, where it was a value. */
  readonly value?: number;
  readonly limit?: number;
}

/** A score as the alarms see it. */
export interface ScoredPoint {
  readonly point: string;
  readonly timeMs: number;
  readonly score: number;
  readonly threshold: number;
  readonly anomalous: boolean;
  readonly diagnosis?: Diagnosis;
}

/** One alarm at one point, as it is stored. */
export interface AlarmRecord {
  readonly alarm: string;
  readonly point: string;
  readonly severity: AlarmConfig['priority'];
  readonly message: string;
  readonly state: AlarmStateName;
  readonly sinceMs: number;
}

const recordSchema = z.object({
  alarm: z.string(),
  point: z.string(),
  severity: z.enum(['low', 'medium', 'high', 'critical']),
  message: z.string(),
  state: z.enum([
    'normal',
    'unacknowledged',
    'acknowledged',
    'returned-unacknowledged',
    'shelved',
    'suppressed',
    'out-of-service',
  ]),
  sinceMs: z.number(),
});

interface Instance {
  readonly config: AlarmConfig;
  readonly point: string;
  state: AlarmState;
  message: string;
}

/** Alarms kept at most: a wildcard over a flood of points must not fill the memory. */
const MAX_INSTANCES = 50_000;

/** All alarms of the gateway and their states. No I/O: whoever calls it stores and announces what changed. */
export class AlarmEngine {
  #configs: readonly AlarmConfig[] = [];
  readonly #instances = new Map<string, Instance>();
  /** Instances by point, in the order of the definitions: what a value has to be compared with. */
  readonly #byPoint = new Map<string, readonly Instance[]>();
  /** States read from the store whose point has not been seen since. */
  readonly #restored = new Map<string, AlarmRecord>();

  constructor(configs: readonly AlarmConfig[]) {
    this.reconfigure(configs);
  }

  /** Other definitions from now on; an alarm that is still defined keeps its state. */
  reconfigure(configs: readonly AlarmConfig[]): void {
    for (const record of this.snapshot()) this.#restored.set(keyOf(record.alarm, record.point), record);
    this.#configs = configs.filter((config) => config.enabled);
    this.#instances.clear();
    this.#byPoint.clear();
  }

  /** A value; a bad one neither raises nor clears anything. */
  evaluateReading(reading: Reading): AlarmTransition[] {
    if (reading.quality === 'bad' || !Number.isFinite(reading.value)) return [];
    return this.#instancesOf(reading.point).flatMap((instance) => {
      const limit = instance.config.above ?? instance.config.below;
      if (limit === undefined) return [];
      const present = valuePresent(instance, reading.value);
      return this.#apply(
        instance,
        { kind: 'condition', present, timeMs: reading.timeMs },
        () => valueMessage(instance.config, reading, limit),
        { value: reading.value, limit },
      );
    });
  }

  /** The worst score of a window or reading. */
  evaluateScore(scored: ScoredPoint): AlarmTransition[] {
    return this.#instancesOf(scored.point).flatMap((instance) => {
      if (instance.config.anomaly !== true) return [];
      const present =
        scored.anomalous || (isActive(instance.state) && aboveDeadband(instance.config, scored));
      return this.#apply(
        instance,
        { kind: 'condition', present, timeMs: scored.timeMs },
        () => scoreMessage(instance.config, scored),
        { value: scored.score, limit: scored.threshold },
      );
    });
  }

  /** Somebody has seen it. Empty where there was nothing to acknowledge. */
  acknowledge(alarm: string, point: string, timeMs: number): AlarmTransition[] {
    const instance = this.#instancesOf(point).find(({ config }) => config.id === alarm);
    if (instance === undefined) return [];
    return this.#apply(instance, { kind: 'acknowledge', timeMs }, () => instance.message, {});
  }

  /** The record of one alarm at one point, as it is to be stored. */
  stateOf(alarm: string, point: string): AlarmRecord | undefined {
    const instance = this.#instances.get(keyOf(alarm, point));
    return instance === undefined ? undefined : recordOf(instance);
  }

  /** Every alarm that is, or just was, not normal. */
  snapshot(): AlarmRecord[] {
    return [...this.#instances.values()].filter(({ state }) => state !== NORMAL).map(recordOf);
  }

  /** Takes up stored states; what is no alarm record is left out. */
  restore(documents: readonly unknown[]): void {
    for (const document of documents) {
      const record = recordSchema.safeParse(document);
      if (record.success) this.#restored.set(keyOf(record.data.alarm, record.data.point), record.data);
    }
    this.#instances.clear();
    this.#byPoint.clear();
    for (const { point } of this.#restored.values()) this.#instancesOf(point);
  }

  /** Forgets the states at a point: for recordings that are not one story. */
  forget(point: string): void {
    for (const instance of this.#byPoint.get(point) ?? []) {
      instance.state = NORMAL;
      instance.message = '';
    }
  }

  #instancesOf(point: string): readonly Instance[] {
    let instances = this.#byPoint.get(point);
    if (instances !== undefined) return instances;
    const configs = this.#configs.filter((config) => matches(config.point, point));
    if (!configs.some((config) => config.anomaly === true)) configs.push(DEFAULT_ANOMALY_ALARM);
    instances = configs.map((config) => this.#instance(config, point));
    if (this.#instances.size < MAX_INSTANCES) this.#byPoint.set(point, instances);
    return instances;
  }

  #instance(config: AlarmConfig, point: string): Instance {
    const key = keyOf(config.id, point);
    const restored = this.#restored.get(key);
    this.#restored.delete(key);
    const instance: Instance = {
      config,
      point,
      state: restored === undefined ? NORMAL : { state: restored.state, sinceMs: restored.sinceMs },
      message: restored?.message ?? '',
    };
    if (this.#instances.size < MAX_INSTANCES) this.#instances.set(key, instance);
    return instance;
  }

  #apply(
    instance: Instance,
    input: AlarmInput,
    message: () => string,
    facts: { readonly value?: number; readonly limit?: number },
  ): AlarmTransition[] {
    const { config, point } = instance;
    const from = instance.state.state;
    instance.state = transition(instance.state, input, {
      onDelayMs: config.onDelay,
      offDelayMs: config.offDelay,
    });
    const to = instance.state.state;
    if (from === to) return [];
    if (to === 'unacknowledged') instance.message = message();
    const text = to === 'unacknowledged' ? instance.message : settledMessage(to, instance);
    return [
      {
        alarm: config.id,
        point,
        from,
        to,
        severity: config.priority,
        message: text,
        timeMs: input.timeMs,
        ...facts,
      },
    ];
  }
}

const keyOf = (alarm: string, point: string): string => `${alarm}|${point}`;

const recordOf = ({ config, point, state, message }: Instance): AlarmRecord => ({
  alarm: config.id,
  point,
  severity: config.priority,
  message,
  state: state.state,
  sinceMs: state.sinceMs,
});

function matches(pattern: string, point: string): boolean {
  if (!pattern.includes('*')) return pattern === point;
  const source = pattern
    .split('*')
    .map((part) => part.replaceAll(/[.\\+?^${}()|[\]]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`).test(point);
}

function valuePresent({ config, state }: Instance, value: number): boolean {
  const deadband = isActive(state) ? config.deadband : 0;
  if (config.above !== undefined) return value > config.above - deadband;
  return value < config.below! + deadband;
}

/** A score that is only just below its threshold has not come back yet. */
const aboveDeadband = ({ deadband }: AlarmConfig, { score, threshold }: ScoredPoint): boolean =>
  score > threshold - deadband * Math.abs(threshold);

const number = (value: number): string => String(Number(value.toPrecision(4)));

function valueMessage(
  { above, text, action }: AlarmConfig,
  { point, value, unit }: Reading,
  limit: number,
): string {
  const side = above === undefined ? 'below' : 'above';
  return sentences(`${point} is ${number(value)} ${unit}, ${side} ${number(limit)} ${unit}`, text, action);
}

function scoreMessage(
  { text, action }: AlarmConfig,
  { point, score, threshold, diagnosis }: ScoredPoint,
): string {
  const verdict = diagnosis === undefined || diagnosis.fault === 'normal' ? undefined : diagnosis.sentence;
  const facts = `${point} behaves unusually (score ${number(score)}, limit ${number(threshold)})`;
  return sentences(facts, verdict, text, action);
}

function settledMessage(to: AlarmStateName, { point, message }: Instance): string {
  if (to === 'acknowledged') return `acknowledged: ${message}`;
  if (to === 'returned-unacknowledged')
    return `${point} is back to normal; nobody has acknowledged: ${message}`;
  return `${point} is back to normal`;
}

const sentences = (...parts: readonly (string | undefined)[]): string =>
  parts
    .filter((part) => part !== undefined && part !== '')
    .map((part) => part!.replace(/\.?$/, '.'))
    .join(' ');
