import type { FeatureVector } from '../features/spec.js';
import { isoZone } from '../features/zones.js';
import type { Reading } from '../signals/reading.js';
import type { AlarmConfig } from './config.js';
import type { FeaturedPoint, MachineFacts, ScoredPoint } from './observation.js';
import type { RecentValues } from './recent-values.js';

/** What an observation says of one alarm's condition. */
export interface Finding {
  readonly present: boolean;
  /** Value and limit that decided it, where it was a value. */
  readonly value?: number;
  readonly limit?: number;
  /** One sentence of facts, without its full stop. Called only when it is needed. */
  describe(): string;
}

const ZONES = ['A', 'B', 'C', 'D'] as const;

const number = (value: number): string => String(Number(value.toPrecision(4)));

/**
 * Undefined where the reading says nothing of this alarm. A value that is bad or no number says nothing.
 * @param active whether the alarm is there: the deadband then applies
 */
export function judgeReading(
  config: AlarmConfig,
  reading: Reading,
  active: boolean,
  recent: RecentValues,
): Finding | undefined {
  if (config.feature !== undefined || !judgesValues(config)) return undefined;
  if (reading.quality === 'bad' || !Number.isFinite(reading.value)) return undefined;
  const { point: what, timeMs, value, unit } = reading;
  return judgeValue(config, { what, timeMs, value, unit }, active, recent);
}

const judgesValues = ({ above, below, outside, change }: AlarmConfig): boolean =>
  above !== undefined || below !== undefined || outside !== undefined || change !== undefined;

export function judgeFeatures(
  config: AlarmConfig,
  { point, timeMs, features }: FeaturedPoint,
  active: boolean,
  recent: RecentValues,
  machine: MachineFacts,
): Finding | undefined {
  if (config.zone !== undefined) return judgeZone(config, point, features, active, machine);
  const value = config.feature === undefined ? undefined : features[config.feature];
  if (value === undefined || !Number.isFinite(value)) return undefined;
  return judgeValue(
    config,
    { what: `${config.feature} of ${point}`, timeMs, value, unit: '' },
    active,
    recent,
  );
}

/** A score that is no number neither raises nor clears anything. */
export function judgeScore(config: AlarmConfig, scored: ScoredPoint, active: boolean): Finding | undefined {
  const { point, score, threshold, anomalous, diagnosis } = scored;
  if (Number.isNaN(score)) return undefined;
  // What is not believed raises nothing, and says nothing of an alarm that is there.
  const heldBack = config.validated && scored.heldBack === true;
  if (heldBack && config.scoreAbove === undefined)
    return active ? undefined : { present: false, describe: () => '' };
  if (config.diagnosis !== undefined) {
    const named = config.diagnosis.some((fault) => fault === diagnosis?.fault);
    return { present: named, describe: () => `${point}: ${diagnosis?.sentence ?? 'no fault'}` };
  }
  const limit = config.scoreAbove ?? (config.anomaly === true ? threshold : undefined);
  if (limit === undefined) return undefined;
  const over = config.scoreAbove === undefined ? anomalous : score > limit;
  // A score that is only just below its threshold has not come back yet.
  const present = over || (active && score > limit - config.deadband * Math.abs(limit));
  const verdict = diagnosis === undefined || diagnosis.fault === 'normal' ? '' : `. ${diagnosis.sentence}`;
  return {
    present,
    value: score,
    limit,
    describe: () =>
      `${point} behaves unusually (score ${number(score)}, limit ${number(limit)})${verdict.replace(/\.$/, '')}`,
  };
}

/** @param silentMs since when nothing usable arrived, milliseconds */
export function judgeSilence(config: AlarmConfig, point: string, silentMs: number): Finding | undefined {
  if (config.missing === undefined) return undefined;
  const seconds = Math.round(silentMs / 1000);
  return {
    present: silentMs >= config.missing,
    value: seconds,
    limit: config.missing / 1000,
    describe: () => `${point} sent no usable value for ${seconds} s, allowed are ${config.missing! / 1000} s`,
  };
}

interface Value {
  readonly what: string;
  readonly timeMs: number;
  readonly value: number;
  readonly unit: string;
}

function judgeValue(
  config: AlarmConfig,
  at: Value,
  active: boolean,
  recent: RecentValues,
): Finding | undefined {
  const { value, what } = at;
  const unit = at.unit === '' ? '' : ` ${at.unit}`;
  const deadband = active ? config.deadband : 0;
  const found = (present: boolean, limit: number, side: string): Finding => ({
    present,
    value,
    limit,
    describe: () => `${what} is ${number(value)}${unit}, ${side} ${number(limit)}${unit}`,
  });
  if (config.above !== undefined) return found(value > config.above - deadband, config.above, 'above');
  if (config.below !== undefined) return found(value < config.below + deadband, config.below, 'below');
  if (config.outside !== undefined) {
    const [low, high] = config.outside;
    const middle = (low + high) / 2;
    return value > middle
      ? found(value > high - deadband, high, 'above')
      : found(value < low + deadband, low, 'below');
  }
  if (config.change === undefined) return undefined;
  const { by, within, direction } = config.change;
  recent.add(at.timeMs, value, within);
  const rise = value - recent.min;
  const fall = recent.max - value;
  const moved = direction === 'up' ? rise : direction === 'down' ? fall : Math.max(rise, fall);
  const way = direction === 'any' ? (rise >= fall ? 'rose' : 'fell') : direction === 'up' ? 'rose' : 'fell';
  return {
    present: moved > by - deadband,
    value: moved,
    limit: by,
    describe: () =>
      `${what} ${way} by ${number(moved)}${unit} to ${number(value)}${unit} within ${within / 1000} s, more than ${number(by)}${unit}`,
  };
}

function judgeZone(
  config: AlarmConfig,
  point: string,
  features: FeatureVector,
  active: boolean,
  { size }: MachineFacts,
): Finding | undefined {
  const velocity = features.velocityRmsMmPerS;
  if (velocity === undefined || !Number.isFinite(velocity) || size === undefined) return undefined;
  const zone = isoZone(velocity, size);
  const held = active ? isoZone(velocity + config.deadband, size) : zone;
  return {
    present: held > ZONES.indexOf(config.zone!),
    value: velocity,
    describe: () =>
      `${point} vibrates with ${number(velocity)} mm/s RMS, zone ${ZONES[zone - 1]} of ISO 20816-3`,
  };
}
