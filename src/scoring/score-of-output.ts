import { SmEdgeError } from '../base/errors.js';
import type { ModelManifest } from './manifest.js';
import { anomalousSideOf, type ModelOutput, outputWidthOf } from './manifest-output.js';
import { modelKey } from './model-key.js';
import type { Score } from './score.js';

/** One forecast. */
export interface Forecast {
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * Scores of what a model gave, in order.
 * @param raw rows x `outputWidthOf`
 * @param pieces rows of each input; undefined where each is one
 * @param actuals of a forecast: the values that then came
 * @throws SmEdgeError `MODEL_RUN` where something is no number: NaN compares as "not anomalous" and must not pass for
 * a healthy machine
 */
export function scoresOf(
  manifest: ModelManifest,
  raw: Float32Array,
  pieces: readonly number[] | undefined,
  actuals: readonly (number | undefined)[],
): Score[] {
  const { name, version, output, threshold } = manifest;
  const width = outputWidthOf(output);
  for (let i = 0; i < raw.length; i++)
    if (!Number.isFinite(raw[i]))
      throw new SmEdgeError('MODEL_RUN', `the model ${modelKey(manifest)} gave a score that is no number`);
  const rows = pieces === undefined ? raw : joined(manifest, raw, pieces);
  const sign = anomalousSideOf(output) === 'above' ? 1 : -1;
  const limit = sign * threshold.value;
  const scores: Score[] = [];
  for (let row = 0; row * width < rows.length; row++) {
    const score = sign * scoreOfRow(manifest, rows, row * width, actuals[row]);
    const verdict = { model: name, version, score, threshold: limit, anomalous: score > limit };
    scores.push(width === 1 ? verdict : { ...verdict, ...besides(output, rows, row * width) });
  }
  return scores;
}

/** The forecasts of what a model gave, row by row. */
export function forecastsOf(raw: Float32Array): Forecast[] {
  return Array.from({ length: raw.length / 3 }, (_, row) => ({
    expected: raw[3 * row]!,
    lower: raw[3 * row + 1]!,
    upper: raw[3 * row + 2]!,
  }));
}

function scoreOfRow(
  manifest: ModelManifest,
  rows: Float32Array,
  at: number,
  actual: number | undefined,
): number {
  const { output } = manifest;
  if (output.kind === 'classes') return faultProbability(output, rows, at);
  if (output.kind === 'forecast') {
    if (actual === undefined || !Number.isFinite(actual))
      throw new SmEdgeError(
        'MODEL_INPUTS',
        `${modelKey(manifest)} needs ${output.feature}, which is ${actual}`,
        { details: { feature: output.feature } },
      );
    return outside(manifest, rows[at + 1]!, rows[at + 2]!, actual);
  }
  return rows[at]!;
}

/** 1 less what the healthy classes have together. */
function faultProbability(
  { labels, healthy }: Extract<ModelOutput, { kind: 'classes' }>,
  rows: Float32Array,
  at: number,
): number {
  let sum = 0;
  for (let k = 0; k < labels.length; k++) if (healthy.includes(labels[k]!)) sum += rows[at + k]!;
  return 1 - sum;
}

/** In widths of the interval: 0 at a bound, negative inside. */
function outside(manifest: ModelManifest, lower: number, upper: number, actual: number): number {
  if (upper <= lower)
    throw new SmEdgeError(
      'MODEL_RUN',
      `the model ${modelKey(manifest)} gave an interval from ${lower} to ${upper}`,
    );
  return Math.max(lower - actual, actual - upper) / (upper - lower);
}

function besides(output: ModelOutput, rows: Float32Array, at: number): Partial<Score> {
  if (output.kind === 'forecast') return { expected: rows[at]!, lower: rows[at + 1]!, upper: rows[at + 2]! };
  if (output.kind !== 'classes') return {};
  const { labels } = output;
  let best = 0;
  const probabilities: Record<string, number> = {};
  for (let k = 0; k < labels.length; k++) {
    probabilities[labels[k]!] = rows[at + k]!;
    if (rows[at + k]! > rows[at + best]!) best = k;
  }
  return { label: labels[best]!, probabilities };
}

/** What the pieces of each window say together. */
function joined(manifest: ModelManifest, raw: Float32Array, pieces: readonly number[]): Float32Array {
  const { inputs, output } = manifest;
  const width = outputWidthOf(output);
  const worst = (inputs.kind === 'block' || inputs.kind === 'spectrogram') && inputs.pieces === 'max';
  const sign = anomalousSideOf(output) === 'above' ? 1 : -1;
  const out = new Float32Array(pieces.length * width);
  let from = 0;
  pieces.forEach((count, i) => {
    if (worst) {
      let at = from;
      for (let row = from + 1; row < from + count; row++) {
        const here = sign * scoreOfRow(manifest, raw, row * width, undefined);
        if (here > sign * scoreOfRow(manifest, raw, at * width, undefined)) at = row;
      }
      out.set(raw.subarray(at * width, (at + 1) * width), i * width);
    } else
      for (let row = from; row < from + count; row++)
        for (let k = 0; k < width; k++) out[i * width + k]! += raw[row * width + k]! / count;
    from += count;
  });
  return out;
}
