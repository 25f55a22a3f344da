import { medianOf } from '../../base/median.js';
import type { FeatureVector } from '../score.js';
import type { GraphWriter, Value } from '../training/onnx-writer.js';
import { momentsOf } from './moments.js';

/** Brings features to one scale: of logarithms where they are ratios, robustly centred, in robust standard deviations. */
export interface Scaler {
  readonly features: readonly string[];
  /** Whether a feature is taken by its logarithm: levels and shape factors are ratios. */
  readonly log: readonly boolean[];
  /** Of the features, logarithm taken. */
  readonly centers: readonly number[];
  readonly scales: readonly number[];
  /** Least scatter from day to day that is to be expected of each, in its scale; 1 where the rows showed less. */
  readonly floors: readonly number[];
}

/** Levels in decibels, and what may have either sign: never by logarithm. */
const LINEAR = /^(mel\.|mfcc\.|levelDb|skewness|spectralKurtosisMax)/;
const LEVELS = /^(rms|peak|peakToPeak|velocityRms|displacement|band\.|order\.|thirdOctave\.)/;
const DECIBELS = /^(mel\.|levelDb)/;
/** Where the kurtogram looked: a choice, no measure. */
const CHOICES = /^(spectralKurtosisBandHz|envelopeRms)$/;
/** A scale is at least what 5 % of an amplitude make: no machine repeats itself more closely from day to day. */
const LEAST_LOG = 0.05;
const LEAST_DECIBELS = 0.43;
const LEAST_SHARE = 0.05;
const SMALLEST = 1e-12;
/** Standard deviation of a Gaussian over its MAD. */
const MAD_TO_SIGMA = 1.4826;

/** Names that every row has, with finite values, and that are measures. */
export function commonFeatures(rows: readonly FeatureVector[]): string[] {
  const first = rows[0] ?? {};
  return Object.keys(first).filter(
    (name) => !CHOICES.test(name) && rows.every((row) => Number.isFinite(row[name])),
  );
}

export function fitScaler(rows: readonly FeatureVector[], features: readonly string[]): Scaler {
  const log = features.map((name) =>
    isRatio(
      name,
      Float64Array.from(rows, (row) => row[name]!),
    ),
  );
  const columns = features.map((name, j) => Float64Array.from(rows, (row) => scaled(row[name]!, log[j]!)));
  const centers = columns.map(medianOf);
  const least = features.map((name, j) => leastScale(name, log[j]!, centers[j]!));
  const scales = columns.map((column, j) => {
    const mad = MAD_TO_SIGMA * medianOf(column.map((value) => Math.abs(value - centers[j]!)));
    return Math.max(mad, deviationOf(column) / 2, least[j]!);
  });
  return { features, log, centers, scales, floors: least.map((value, j) => value / scales[j]!) };
}

/**
 * A level always; another feature that stays positive where its logarithm is the more symmetric: what merely happens to be
 * positive, a temperature, may well be below zero tomorrow.
 */
function isRatio(name: string, values: Float64Array): boolean {
  if (LINEAR.test(name) || values.some((value) => value <= 0)) return false;
  return (
    LEVELS.test(name) ||
    Math.abs(momentsOf(values.map(Math.log)).skewness) < Math.abs(momentsOf(values).skewness)
  );
}

/** The same for some of its features. */
export function narrowed(
  { features, log, centers, scales, floors }: Scaler,
  wanted: readonly string[],
): Scaler {
  const places = wanted.map((name) => features.indexOf(name));
  const of = <T>(values: readonly T[]) => places.map((place) => values[place]!);
  return { features: wanted, log: of(log), centers: of(centers), scales: of(scales), floors: of(floors) };
}

export function applyScaler({ features, log, centers, scales }: Scaler, row: FeatureVector): Float64Array {
  const z = new Float64Array(features.length);
  for (let j = 0; j < z.length; j++)
    z[j] = (scaled(row[features[j]!] ?? Number.NaN, log[j]!) - centers[j]!) / scales[j]!;
  return z;
}

/** The same as nodes of a graph. */
export function addScaler(graph: GraphWriter, scaler: Scaler, input: Value): Value {
  const { centers, scales } = scaler;
  const compared = scaler.log.includes(true) ? addLogarithms(graph, scaler, input) : input;
  const centred = graph.node('Sub', 'centred', [compared, graph.constant('centers', centers)]);
  return graph.node('Div', 'z', [centred, graph.constant('scales', scales)]);
}

/** The logarithm of every column, of which those count that are ratios; of the others the column itself. */
function addLogarithms(graph: GraphWriter, { log }: Scaler, input: Value): Value {
  const positive = graph.node('Max', 'positive', [input, graph.constant('smallest', [SMALLEST])]);
  const logarithm = graph.node('Log', 'logarithm', [positive]);
  const ratios = graph.node('Mul', 'ratios', [logarithm, graph.constant('isRatio', log.map(Number))]);
  const plain = graph.node('Mul', 'plain', [
    input,
    graph.constant(
      'isPlain',
      log.map((is) => Number(!is)),
    ),
  ]);
  return graph.node('Add', 'compared', [ratios, plain]);
}

const scaled = (value: number, log: boolean): number => (log ? Math.log(Math.max(SMALLEST, value)) : value);

const leastScale = (feature: string, log: boolean, center: number): number =>
  log
    ? LEAST_LOG
    : DECIBELS.test(feature)
      ? LEAST_DECIBELS
      : Math.max(LEAST_SHARE * Math.abs(center), SMALLEST);

function deviationOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / values.length);
}
