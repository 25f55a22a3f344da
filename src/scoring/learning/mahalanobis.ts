import type { FeatureVector } from '../score.js';
import { inverseOf, ledoitWolf } from './covariance.js';

/**
 * How far a block of features lies from those of the healthy machine, in the shape of their scatter (Mahalanobis 1936).
 * Features that stay positive are taken by their logarithm: levels and shape factors are ratios.
 *
 * With z the centred and scaled features, m their mean and P the inverse of their shrunk covariance,
 *
 *     score = (z - m)ᵀ P (z - m) / features
 *
 * which is 1 on the average healthy block. It is the sum over the features of (z - m) ∘ P (z - m) / features, and those
 * shares are its Shapley values with the healthy mean as background (the interaction of two features is halved
 * between them; Lundberg and Lee 2017).
 */
export interface MahalanobisModel {
  readonly features: readonly string[];
  /** Whether a feature is taken by its logarithm. */
  readonly log: readonly boolean[];
  /** Of the features, logarithm taken. */
  readonly centers: readonly number[];
  readonly scales: readonly number[];
  /** Inverse covariance of the scaled features over their number, row by row. */
  readonly precision: readonly number[];
}

/** Levels in decibels, and what may have either sign: never by logarithm. */
const LINEAR = /^(mel\.|mfcc\.|levelDb|skewness|spectralKurtosisMax)/;
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

/** @param rows features of healthy blocks, at least two */
export function fitMahalanobis(
  rows: readonly FeatureVector[],
  features: readonly string[] = commonFeatures(rows),
): MahalanobisModel {
  const log = features.map((name) => !LINEAR.test(name) && rows.every((row) => row[name]! > 0));
  const columns = features.map((name, j) => rows.map((row) => scaled(row[name]!, log[j]!)));
  const medians = columns.map(median);
  const scales = columns.map((column, j) => {
    const center = medians[j]!;
    const mad = MAD_TO_SIGMA * median(column.map((value) => Math.abs(value - center)));
    const least = leastScale(features[j]!, log[j]!, center);
    return Math.max(mad, deviationOf(column) / 2, least);
  });
  const z = rows.map((_, i) =>
    Float64Array.from(columns, (column, j) => (column[i]! - medians[j]!) / scales[j]!),
  );
  const { mean, covariance } = ledoitWolf(z);
  const width = features.length;
  // What the floor of a scale stands for, day-to-day scatter that the rows did not show, is in the covariance too.
  for (let j = 0; j < width; j++)
    covariance[j * width + j]! += (leastScale(features[j]!, log[j]!, medians[j]!) / scales[j]!) ** 2;
  return {
    features,
    log,
    centers: medians.map((center, j) => center + mean[j]! * scales[j]!),
    scales,
    precision: Array.from(inverseOf(covariance, width), (value) => value / width),
  };
}

/** The share of each feature in the score, in the order of the features. */
export function mahalanobisContributions(model: MahalanobisModel, row: FeatureVector): number[] {
  const { features, log, centers, scales, precision } = model;
  const width = features.length;
  const z = features.map((name, j) => (scaled(row[name] ?? Number.NaN, log[j]!) - centers[j]!) / scales[j]!);
  return z.map((value, i) => {
    let sum = 0;
    for (let j = 0; j < width; j++) sum += precision[i * width + j]! * z[j]!;
    return value * sum;
  });
}

export const mahalanobisScore = (model: MahalanobisModel, row: FeatureVector): number =>
  mahalanobisContributions(model, row).reduce((sum, share) => sum + share, 0);

const scaled = (value: number, log: boolean): number => (log ? Math.log(Math.max(SMALLEST, value)) : value);

const leastScale = (feature: string, log: boolean, center: number): number =>
  log
    ? LEAST_LOG
    : DECIBELS.test(feature)
      ? LEAST_DECIBELS
      : Math.max(LEAST_SHARE * Math.abs(center), SMALLEST);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
