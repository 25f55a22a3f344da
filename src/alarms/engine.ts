import { z } from 'zod';
import type { Metrics } from '../base/metrics.js';
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
  /** Since when a delay runs, where one does. */
  readonly pendingSinceMs?: number;
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
  pendingSinceMs: z.number().exactOptional(),
});

interface Instance {
  readonly config: AlarmConfig;
  readonly point: string;
  state: AlarmState;
  message: string;
}

/** Points watched at most: a wildcard over a flood of points must not fill the memory. */
const MAX_POINTS = 20_000;

/** All alarms of the gateway and their states. No I/O: whoever calls it stores and announces what changed. */
export class AlarmEngine {
  #configs: readonly AlarmConfig[] = [];
  /** The alarms of each point that was ever seen, in the order of the definitions. */
  readonly #byPoint = new Map<string, readonly Instance[]>();
  readonly #unwatched;

  constructor(configs: readonly AlarmConfig[], metrics?: Metrics) {
    this.#configs = configs;
    this.#unwatched = metrics?.counter(
      'sm_edge_alarms_unwatched_total',
      `Values that no alarm looked at, because ${MAX_POINTS} points are watched already.`,
    );
  }

  /**
   * Other definitions from now on. An alarm that is still defined keeps its state and its running delay; one that is
   * not, or is out of service, is forgotten, and begins as normal should it come back.
   */
  reconfigure(configs: readonly AlarmConfig[]): void {
    this.#configs = configs;
    this.#rebuild(this.snapshot());
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

  /** The worst score of a window or reading; one that is no number neither raises nor clears anything. */
  evaluateScore(scored: ScoredPoint): AlarmTransition[] {
    if (Number.isNaN(scored.score)) return [];
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
    const instance = this.#find(alarm, point);
    if (instance === undefined) return [];
    return this.#apply(instance, { kind: 'acknowledge', timeMs }, () => instance.message, {});
  }

  /** The record of one alarm at one point, as it is to be stored. */
  stateOf(alarm: string, point: string): AlarmRecord | undefined {
    const instance = this.#find(alarm, point);
    return instance === undefined ? undefined : recordOf(instance);
  }

  /** Every alarm that is, or just was, not normal. */
  snapshot(): AlarmRecord[] {
    return [...this.#byPoint.values()]
      .flat()
      .filter(({ state }) => state !== NORMAL)
      .map(recordOf);
  }

  /** Takes up stored states; what is no alarm record, or of no alarm that is defined, is left out. */
  restore(documents: readonly unknown[]): void {
    const stored = documents.flatMap((document) => recordSchema.safeParse(document).data ?? []);
    this.#rebuild([...this.snapshot(), ...stored]);
  }

  /** Forgets the states at a point: for recordings that are not one story. */
  forget(point: string): void {
    for (const instance of this.#byPoint.get(point) ?? []) {
      instance.state = NORMAL;
      instance.message = '';
    }
  }

  #rebuild(records: readonly AlarmRecord[]): void {
    this.#byPoint.clear();
    for (const record of records) {
      this.#instancesOf(record.point);
      const instance = this.#find(record.alarm, record.point);
      if (instance === undefined) continue;
      const { state, sinceMs, pendingSinceMs, message } = record;
      instance.state = { state, sinceMs, ...(pendingSinceMs === undefined ? {} : { pendingSinceMs }) };
      instance.message = message;
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
    const configs = this.#configs.filter((config) => matches(config.point, point));
    // One that is out of service covers the point too: whoever switches it off wants silence.
    if (!configs.some((config) => config.anomaly === true)) configs.push(DEFAULT_ANOMALY_ALARM);
    const instances = configs
      .filter(({ enabled }) => enabled)
      .map((config): Instance => ({ config, point, state: NORMAL, message: '' }));
    this.#byPoint.set(point, instances);
    return instances;
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

const recordOf = ({ config, point, state, message }: Instance): AlarmRecord => ({
  alarm: config.id,
  point,
  severity: config.priority,
  message,
  state: state.state,
  sinceMs: state.sinceMs,
  ...(state.pendingSinceMs === undefined ? {} : { pendingSinceMs: state.pendingSinceMs }),
});

/** Takes each piece at its first place: linear, whatever a pattern looks like. */
function matches(pattern: string, point: string): boolean {
  const [head = '', ...pieces] = pattern.split('*');
  const tail = pieces.pop();
  if (tail === undefined) return pattern === point;
  if (!point.startsWith(head)) return false;
  let from = head.length;
  for (const piece of pieces) {
    const at = point.indexOf(piece, from);
    if (at === -1) return false;
    from = at + piece.length;
  }
  return point.length - tail.length >= from && point.endsWith(tail);
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
