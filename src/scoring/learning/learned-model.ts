import { type ModelManifest, modelManifestSchema } from '../manifest.js';
import type { FeatureVector } from '../score.js';
import { significant } from '../training/manifest-parts.js';
import { GraphWriter } from '../training/onnx-writer.js';
import type { DetectorKind } from './detectors/detector.js';
import { type LearnedFrom, manifestFrom } from './learned-from.js';
import type { TrainedDetector } from './train-detector.js';

const GOLDEN_VECTORS = 8;

const TITLES: Readonly<Record<DetectorKind, string>> = {
  robust: 'Robust deviations of the features from the healthy machine',
  mahalanobis: 'Mahalanobis distance from the healthy machine',
  pca: "Hotelling's T² and Q from the healthy machine",
  'isolation-forest': 'Isolation forest of the healthy machine',
  autoencoder: 'Error of rebuilding the features as those of the healthy machine',
};

/**
 * A trained detector as a standard ONNX file (opset 13) and its manifest. The score is divided by its limit: 1 is the
 * threshold whatever the detector, but for the operating states that have one of their own.
 * @param rows that it learned from
 * @param states operating state of each row, where the machine has several
 */
export function learnedModel(
  trained: TrainedDetector,
  rows: readonly FeatureVector[],
  from: LearnedFrom,
  states?: readonly string[],
): { readonly model: Uint8Array; readonly manifest: ModelManifest } {
  const { detector, limit, limitRows, trials, falseAlarmProbability } = trained;
  const known = trained.states === undefined ? undefined : states;
  const features = [...detector.features];
  const model = graphOf(trained);
  const golden = Array.from({ length: Math.min(GOLDEN_VECTORS, rows.length) }, (_, i) => {
    const row = rows[Math.floor((i * rows.length) / GOLDEN_VECTORS)]!;
    const input = features.map((name) => significant(row[name]!));
    const rounded = Object.fromEntries(features.map((name, j) => [name, input[j]!]));
    return { input, output: significant(detector.score(rounded) / limit) };
  });
  const compared = trials.map(({ kind, detected }) => `${kind} ${(100 * detected).toFixed(1)} %`).join(', ');
  const manifest = modelManifestSchema.parse({
    ...manifestFrom(from, features, rows, model, known),
    title: TITLES[detector.kind],
    task: 'anomaly',
    output: {
      tensor: 'score',
      meaning: `${TITLES[detector.kind]}; 1 is the limit.`,
      anomalous: 'above',
      ...(detector.contributions === undefined
        ? {}
        : { contributions: { tensor: 'contributions', base: baseOf(trained, rows) } }),
    },
    threshold: {
      value: 1,
      method: `Generalised Pareto distribution fitted to the largest 5 % of the scores of ${limitRows} healthy rows in cross-validation${known === undefined ? '' : ', in each operating state that has rows enough'}. Chosen by the share of injected faults found at 1 % false alarms: ${compared}.`,
      falseAlarmProbability,
      ...thresholdsOf(trained),
    },
    golden: { tolerance: 1e-3, vectors: golden },
  });
  return { model, manifest };
}

/** Of the states that have a limit of their own; the score is divided by the overall one. */
function thresholdsOf({ states, limit }: TrainedDetector) {
  const own = [...(states ?? [])].flatMap(([state, of]) =>
    of.limit === undefined
      ? []
      : [[state, { value: significant(of.limit / limit), samples: of.rows }] as const],
  );
  return own.length === 0 ? {} : { states: Object.fromEntries(own) };
}

function graphOf({ detector, limit }: TrainedDetector): Uint8Array {
  const width = detector.features.length;
  const graph = new GraphWriter(detector.kind);
  const input = graph.input('features', ['rows', width]);
  const raw = detector.addTo(graph, input);
  const perLimit = graph.constant('perLimit', [1 / limit]);
  graph.node('Mul', 'score', [raw.score, perLimit]);
  graph.output('score', ['rows']);
  if (raw.contributions !== undefined) {
    graph.node('Mul', 'contributions', [raw.contributions, perLimit]);
    graph.output('contributions', ['rows', width]);
  }
  return graph.finish({ features: detector.features.join(','), detector: detector.kind });
}

/** Mean share of each feature over the training data. */
function baseOf({ detector, limit }: TrainedDetector, rows: readonly FeatureVector[]): number[] {
  const sums = new Float64Array(detector.features.length);
  for (const row of rows)
    detector.contributions!(row).forEach((share, j) => {
      sums[j]! += share / limit / rows.length;
    });
  return Array.from(sums, significant);
}
